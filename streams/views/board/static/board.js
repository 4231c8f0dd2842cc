/* The board, kept up to date.

   The pages are complete without this. It turns times into local ones, and puts what changed in
   place of what was, so gently that focus, selection, scroll positions and open details stay.
   Nothing is loaded from elsewhere; what comes was escaped where it was made. */

const main = document.getElementById("main");
const connection = document.getElementById("connection");

/* Times: UTC in the page, local for who reads it; the title keeps UTC. */

const sameDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const otherDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function localTimes(root) {
  const today = new Date().toDateString();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.getAttribute("datetime"));
    if (Number.isNaN(moment.getTime())) continue;
    const format = moment.toDateString() === today ? sameDay : otherDay;
    const text = format.format(moment);
    if (element.textContent === text) continue;
    element.title = element.textContent;
    element.textContent = text;
  }
}

function sayZone() {
  const zone = document.getElementById("zone");
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && name) zone.textContent = `${name} (your device’s)`;
}

/* Morphing: make `before` like `after`, touching only what differs. */

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.key || "" : "";
}

function alike(one, other) {
  return one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

function morph(before, after) {
  if (before.nodeType !== Node.ELEMENT_NODE) {
    if (before.nodeValue !== after.nodeValue) before.nodeValue = after.nodeValue;
    return;
  }
  morphAttributes(before, after);
  // What somebody is typing stays theirs.
  if (before !== document.activeElement || before.nodeName !== "INPUT") morphChildren(before, after);
}

function morphAttributes(before, after) {
  for (const { name, value } of after.attributes) {
    if (before.getAttribute(name) !== value) before.setAttribute(name, value);
  }
  for (const { name } of [...before.attributes]) {
    // Whether details are open is up to who reads them.
    const own = name === "open" && before.nodeName === "DETAILS";
    if (!own && !after.hasAttribute(name)) before.removeAttribute(name);
  }
}

function morphChildren(before, after) {
  const keyed = new Map();
  for (const child of before.children) {
    const key = keyOf(child);
    if (key) keyed.set(key, child);
  }
  let place = before.firstChild;
  for (const wanted of [...after.childNodes]) {
    const known = keyed.get(keyOf(wanted));
    if (known && alike(known, wanted)) {
      // Rows that are gone in between are taken out, so that a known one needs no move: a move
      // would take its focus away.
      while (place && place !== known && !staysLater(place, wanted)) place = removed(place);
      if (place !== known) before.insertBefore(known, place);
      else place = place.nextSibling;
      morph(known, wanted);
    } else if (place && alike(place, wanted)) {
      morph(place, wanted);
      place = place.nextSibling;
    } else {
      before.insertBefore(document.importNode(wanted, true), place);
    }
  }
  while (place) place = removed(place);
}

function staysLater(node, wanted) {
  const key = keyOf(node);
  if (!key) return false;
  for (let later = wanted.nextSibling; later; later = later.nextSibling) {
    if (keyOf(later) === key) return true;
  }
  return false;
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function putInPlace(element, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  localTimes(template.content);
  morphChildren(element, template.content);
}

/* The connection: one for each tab, none while nobody looks. */

const WAIT_LEAST_MS = 500;
const WAIT_MOST_MS = 30_000;
let source = null;
const REFUSED = new Set([401, 403]);
let wait_ms = WAIT_LEAST_MS;
let retry = 0;

function say(state) {
  if (!connection) return;
  if (connection.textContent === state) return;
  connection.textContent = state;
  connection.dataset.state = state;
}

function follow() {
  if (source || document.hidden || !("live" in main.dataset)) return;
  const page = encodeURIComponent(location.pathname + location.search);
  source = new EventSource(`/live?kind=${main.dataset.kind}&page=${page}`);
  source.addEventListener("hello", (event) => hello(JSON.parse(event.data)));
  source.addEventListener("regions", (event) => regions(JSON.parse(event.data)));
  source.addEventListener("turned", (event) => turned(JSON.parse(event.data)));
  source.addEventListener("done", () => done());
  source.onerror = () => again();
}

function leave() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

function again() {
  leave();
  say("reconnecting");
  // Not all tabs at the same moment, after a restart.
  retry = setTimeout(follow, wait_ms * (0.5 + Math.random()));
  wait_ms = Math.min(wait_ms * 2, WAIT_MOST_MS);
  signInAgain();
}

/* An event source doesn't say why it fails. Who has to sign in again is taken there. */

async function signInAgain() {
  try {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" });
    if (REFUSED.has(answer.status) || answer.type === "opaqueredirect") location.reload();
  } catch {
    // Nobody is there: it is tried again anyway.
  }
}

function hello({ version }) {
  say("live");
  if (version === document.documentElement.dataset.version) return;
  // The board itself is another one now. Once only: an old copy may still come from a cache.
  if (sessionStorage.getItem("loaded-for") === version) return;
  sessionStorage.setItem("loaded-for", version);
  location.reload();
}

function regions(changed) {
  // Not at once when it connects: who can only say hello is not to be asked again and again.
  wait_ms = WAIT_LEAST_MS;
  for (const [id, html] of Object.entries(changed)) {
    const element = document.getElementById(id);
    if (element) putInPlace(element, html);
  }
}

function turned(page) {
  main.dataset.kind = page.kind;
  putInPlace(main, page.main);
  const heading = main.querySelector("h1");
  if (heading) document.title = `${heading.textContent} · Partidor`;
}

function done() {
  leave();
  delete main.dataset.live;
  say("not live");
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return follow();
  if (!("live" in main.dataset)) return;
  leave();
  say("paused");
});
addEventListener("pagehide", leave);
addEventListener("pageshow", follow);

localTimes(document);
sayZone();
follow();
