"use strict";
// The console works without this file. It adds live updates, checks while typing, keys, copying,
// and the theme at once. Nothing here makes HTML: parts of a page are replaced by those of the
// page as the server draws it now.

const html = document.documentElement;
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---------- cookies that the server reads ----------

/** Remember a value of letters, digits, "/", "_", "+" and "-". */
function remember(name, value) {
  const prefix = document.querySelector(".mark").pathname.replace(/\/$/, "") || "/";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=${prefix}; Max-Age=31536000; SameSite=Strict${secure}`;
}

// ---------- replacing parts of a page ----------

let refreshing = null;

/** Replace the parts that differ by those of a page; keep the focus and the scroll position. */
function replaceParts(page, selector = "[data-part]") {
  for (const fresh of all(selector, page)) {
    const old = fresh.id && document.getElementById(fresh.id);
    if (!old || old.outerHTML === fresh.outerHTML) continue;
    const focused = old.contains(document.activeElement) ? pathOf(document.activeElement) : null;
    const open = all("details[open][id]", old).map((each) => each.id);
    old.replaceWith(document.adoptNode(fresh));
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.querySelector(focused)?.focus({ preventScroll: true });
  }
  document.dispatchEvent(new Event("parts"));
}

/** Return a selector of a link or a field, by what a page drawn anew has in common with this one. */
function pathOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  return href ? `a[href="${CSS.escape(href)}"]` : null;
}

/** Draw the page anew. */
async function refresh() {
  if (refreshing) return refreshing.then(refresh);
  refreshing = fetchPage(location.href).then((page) => page && replaceParts(page));
  try {
    await refreshing;
  } finally {
    refreshing = null;
  }
}

async function fetchPage(url, options = {}) {
  try {
    const answer = await fetch(url, { credentials: "same-origin", redirect: "error", ...options });
    if (!(answer.headers.get("content-type") ?? "").startsWith("text/html")) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null;
  }
}

// ---------- times in the reader's zone: the server writes them, the browser says the zone ----------

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
if (zone && document.body.dataset.tz !== zone) {
  remember("tz", zone);
  if (document.querySelector("time")) {
    fetchPage(location.href).then((page) => page && replaceParts(page, "main, [data-part]"));
  }
}

// ---------- live ----------

const lamp = document.getElementById("live");
const pending = new Set();
let source = null;
let timer = null;

function showLamp(text, isOff, title) {
  lamp.textContent = text;
  lamp.classList.toggle("off", isOff);
  lamp.title = title;
}

function number(value) {
  return `live #${value.toLocaleString("en-US")}`;
}

function listen() {
  if (source || !document.body.dataset.live) return;
  source = new EventSource(document.body.dataset.live);
  source.addEventListener("begun", (event) => {
    const { sequence } = JSON.parse(event.data);
    showLamp(number(sequence), false, `Following the exchange; the last change is number ${sequence}`);
    // Whatever came between the drawing of the page and now.
    if (lamp.dataset.sequence && Number(lamp.dataset.sequence) !== sequence) changed();
    lamp.dataset.sequence = sequence;
  });
  source.addEventListener("change", (event) => {
    const { sequence, type, id } = JSON.parse(event.data);
    showLamp(number(sequence), false, `The last change is number ${sequence}`);
    lamp.dataset.sequence = sequence;
    pending.add(`${type}/${id}`);
    changed();
  });
  source.addEventListener("failed", (event) => {
    showLamp("offline", true, JSON.parse(event.data).reason);
  });
  source.onerror = () => showLamp("offline", true, "The console does not answer; trying again");
}

function unlisten() {
  source?.close();
  source = null;
}

/** Draw the page anew soon: at once if the reader is at its top, else when the reader wants it. */
function changed() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const typing = document.activeElement?.closest("main input, main textarea, main select");
    if (scrollY < 80 && !typing) {
      pending.clear();
      hideToast();
      await refresh();
    } else {
      const count = Math.max(1, pending.size);
      toast(`${count} newer change${count === 1 ? "" : "s"}.`, "Show", () => {
        pending.clear();
        refresh();
      });
    }
  }, 400);
}

if (lamp) {
  // A browser opens few connections to one host: only the page that is looked at keeps one.
  document.addEventListener("visibilitychange", () => (document.hidden ? unlisten() : listen()));
  addEventListener("pagehide", unlisten);
  addEventListener("pageshow", listen);
  if (!document.hidden) listen();
}

// ---------- a toast: one at a time ----------

let toastTimer = null;

function toast(text, action, run) {
  hideToast();
  const box = document.createElement("div");
  box.className = "toast";
  box.id = "toast";
  box.setAttribute("role", "status");
  box.append(text);
  if (action) {
    const button = document.createElement("button");
    button.className = "link";
    button.textContent = action;
    button.onclick = () => {
      hideToast();
      run();
    };
    box.append(button);
  } else {
    toastTimer = setTimeout(hideToast, 3000);
  }
  document.body.append(box);
}

function hideToast() {
  clearTimeout(toastTimer);
  document.getElementById("toast")?.remove();
}

// ---------- copying ----------

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const from = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
  const text = from ? from.dataset.text ?? from.textContent : button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    // Without HTTPS a page may not write to the clipboard: select the text instead.
    const shown = button.parentElement.querySelector("code, .m") ?? button.parentElement;
    getSelection().selectAllChildren(from ?? shown);
    toast("Press Ctrl+C to copy.");
  }
});

// ---------- the theme ----------

const themes = document.querySelector("form.theme");
themes?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { value } = event.submitter;
  if (value === "auto") html.removeAttribute("data-theme");
  else html.dataset.theme = value;
  for (const each of all("button", themes)) each.setAttribute("aria-pressed", String(each === event.submitter));
  fetch(themes.action, { method: "POST", body: new URLSearchParams({ theme: value, next: "/" }), redirect: "manual" });
});

// ---------- keys: / finds, g and a letter go, j and k move, ? helps ----------

let going = 0;

function move(step) {
  const rows = all("main [data-row]").filter((each) => each.offsetParent !== null);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest("[data-row]"));
  const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  const target = row.querySelector("a, button, summary") ?? row;
  if (target === row) row.tabIndex = -1;
  target.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select");
  if (event.key === "Escape") {
    hideToast();
    if (isTyping) event.target.blur();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  const help = document.getElementById("keys");
  if (Date.now() - going < 1500) {
    going = 0;
    const link = all("[data-key]").find((each) => each.dataset.key === event.key);
    if (link) {
      event.preventDefault();
      link.click();
    }
  } else if (event.key === "g") {
    going = Date.now();
  } else if (event.key === "/") {
    // The field of the page, or of the bar.
    const field = all("main input[type=search], #find").find((each) => each.offsetParent !== null);
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  } else if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    move(event.key === "j" ? 1 : -1);
  } else if (event.key === "?" && help) {
    event.preventDefault();
    help.open ? help.close() : help.showModal();
  }
});

// ---------- forms that are checked while the reader types ----------

const CHECK_MS = 300;
let checking = 0;

for (const form of all("form[data-check]")) {
  let wait = null;
  let isChanged = false;
  addEventListener("beforeunload", (event) => isChanged && event.preventDefault());
  form.addEventListener("submit", () => { isChanged = false; });
  form.addEventListener("input", () => {
    isChanged = true;
    clearTimeout(wait);
    wait = setTimeout(() => check(form), CHECK_MS);
  });
}

async function check(form) {
  const turn = ++checking;
  const body = new URLSearchParams(new FormData(form));
  const page = await fetchPage(form.dataset.check, { method: "POST", body });
  // A later check has begun: its answer counts.
  if (page && turn === checking) replaceParts(page, "[data-checked]");
}

// A line of a verdict leads to the place in the text.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  const area = link && document.querySelector("textarea");
  if (!area) return;
  event.preventDefault();
  const lines = area.value.split("\n");
  const before = lines.slice(0, link.dataset.line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const start = before + Number(link.dataset.column || 1) - 1;
  area.focus();
  area.setSelectionRange(start, Math.min(area.value.length, before + (lines[link.dataset.line - 1] ?? "").length));
  area.scrollTop = (link.dataset.line - 4) * parseFloat(getComputedStyle(area).lineHeight);
});

// ---------- selects that apply at once, and boxes that select rows ----------

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Scroll the current entry of the index into view where it is a strip.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
