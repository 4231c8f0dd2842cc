"""The audit of dependencies: a lock with a gap is seen, and ours have none."""

from pathlib import Path

from tests.audit import DEPLOY, entries, gaps

HASH = f"--hash=sha256:{'0' * 64}"


def test_our_locks_name_one_version_and_the_hashes_of_each_package() -> None:
    """All of them."""
    locks = sorted(DEPLOY.glob("*.lock"))
    assert len(locks) >= 2
    for lock in locks:
        assert gaps(lock) == []
        assert len(list(entries(lock))) > 20


def test_a_package_without_a_version_or_a_hash_is_a_gap(tmp_path: Path) -> None:
    """Another file could come in its place."""
    lock = tmp_path / "some.lock"
    lock.write_text(
        f"# made by hand\ngood==1.0 ; python_version < '4' \\\n    {HASH}\n    # via x\n"
        f"loose>=1 \\\n    {HASH}\nbare==2\ngit+https://example.org/x.git\n"
    )
    assert [gap.split(": ")[1:] for gap in gaps(lock)] == [
        [f"loose>=1      {HASH}"[:60], "no one version"],
        ["bare==2", "no hash"],
        ["git+https://example.org/x.git", "no one version"],
    ]
