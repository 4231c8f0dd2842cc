#!/bin/sh
# shellcheck disable=SC2154  # $root is set by who sources this
# What deploy/demo and tests/run share: find a Python, make .venv from a lock, install the wheel of this checkout.
# To be sourced with $root set to the repository. Everything is redone only when it has to be; a second run needs
# no network. After `set_up NAME` (demo or test) the environment's programs are in $root/.venv/bin.
#
# Environment: PYTHON  the interpreter to take

python_needed="3.11"
# Only the wheel is imported, never what happens to lie in the current directory.
export PYTHONSAFEPATH=1
unset PYTHONPATH

say() { printf '%s\n' "$*" >&2; }
fail() {
    printf 'partidor: %s\n' "$*" >&2
    exit 1
}

# Sets $python to the first interpreter that runs, is new enough, and can make environments.
find_python() {
    found=""
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
        # A version manager's stand-in may be there and yet not run: ask it.
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        found="$found $python ($version)"
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
            without_venv="${without_venv:-$python}"
            continue
        fi
        python=$(command -v "$python")
        return
    done
    if [ -n "${without_venv:-}" ]; then
        fail "$without_venv has no venv module; install it (on Debian and Ubuntu the package python3-venv) and run this again"
    fi
    fail "Python $python_needed or newer is needed; found:${found:- none}. Install one, or name one: PYTHON=/path/to/python3 $0"
}

# Prints one hash for the contents of files given on standard input, one name a line.
hash_of_files() {
    "$root/.venv/bin/python" -c '
import hashlib, pathlib, sys
digest = hashlib.sha256()
for name in sorted(sys.stdin.read().split("\n")):
    if name:
        content = hashlib.sha256(pathlib.Path(name).read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\n".encode())
print(digest.hexdigest())'
}

# Two commands at once must not build the same environment twice. The lock holds the process id of the one that does;
# it is dropped when the calling (sub)shell ends.
take_lock() {
    lock="$root/.venv.lock"
    waited=0
    until (set -C && echo $$ >"$lock") 2>/dev/null; do
        [ -w "$root" ] || fail "$root is not writable: .venv is made there"
        holder=$(cat "$lock" 2>/dev/null || true)
        if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
            rm -f "$lock"   # its owner was killed
            continue
        fi
        [ "$waited" -gt 0 ] || say "waiting for the set-up of process ${holder:-?} ..."
        waited=$((waited + 1))
        [ "$waited" -le 900 ] || fail "still waiting for $lock after 15 minutes; remove it if nothing runs"
        sleep 1
    done
    trap 'rm -f "$lock"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Makes .venv anew. An environment of another lock is never patched: what it should no longer have would stay.
make_environment() {
    find_python
    say "making .venv with $python ($("$python" -V 2>&1))"
    "$python" -m venv --clear "$root/.venv" || fail "could not make .venv with $python"
    installed=new
    echo new >"$root/.venv/partidor-lock"
}

# The line that .venv/partidor-lock holds when the lock NAME is installed. The path of the lock is part of it:
# an environment does not survive being moved.
line_of_lock() { printf '%s %s\n' "$1" "$(echo "$root/deploy/requirements-$1.lock" | hash_of_files)"; }

# install_lock NAME. The test lock contains the demo's, version by version (a test says so): it serves both.
install_lock() {
    stamp="$root/.venv/partidor-lock"
    "$root/.venv/bin/python" -c '' 2>/dev/null || make_environment
    wanted=$(line_of_lock "$1")
    installed=$(cat "$stamp" 2>/dev/null || true)
    case $installed in
    "$wanted" | "$(line_of_lock test)") return ;;
    "$(line_of_lock demo)" | new) ;; # to be added to
    *) make_environment ;;           # of another lock, or an attempt that broke off
    esac
    echo "broken off" >"$stamp"
    say "installing what deploy/requirements-$1.lock names (once; needs the network or pip's cache)"
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --no-deps -r "$root/deploy/requirements-$1.lock" ||
        fail "the packages could not be installed. The first run needs a network that reaches the Python package index (pip's message is above); later runs need none"
    rm -f "$root/.venv/partidor-wheel"
    printf '%s\n' "$wanted" >"$stamp"
}

# Builds the wheel of this checkout and installs it, unless the one installed was built from the same sources.
install_wheel() {
    sources=$(cd "$root" && {
        echo pyproject.toml
        find schemas dispatcher streams -type f ! -name '*.pyc'
    } | hash_of_files)
    [ "$sources" != "$(cat "$root/.venv/partidor-wheel" 2>/dev/null)" ] || return 0
    rm -f "$root/.venv/partidor-wheel"
    wheels=$(mktemp -d "$root/.venv/wheel.XXXXXX")
    "$root/.venv/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-index \
        --no-build-isolation --wheel-dir "$wheels" "$root" || fail "the wheel could not be built"
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
        --force-reinstall "$wheels"/partidor-*.whl || fail "the wheel could not be installed"
    rm -rf "$wheels"
    printf '%s\n' "$sources" >"$root/.venv/partidor-wheel"
}

# set_up NAME: NAME is demo or test. In a subshell, so that its traps don't replace the caller's.
set_up() (
    take_lock
    install_lock "$1"
    install_wheel
)
