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

// ---------- charts: values under the pointer, one curve lit, zoom by dragging ----------

const points = new WeakMap();

/** Return the points of a curve in the plot's units, 0 to 1000; a gap begins with a move. */
function pointsOf(path) {
  if (!points.has(path)) {
    points.set(path, [...path.getAttribute("d").matchAll(/[ML]?\s*(-?[\d.]+)[ ,](-?[\d.]+)/g)].map((each) => [+each[1], +each[2]]));
  }
  return points.get(path);
}

function nearest(list, x) {
  let low = 0;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  return low && x - list[low - 1][0] < list[low][0] - x ? list[low - 1] : list[low];
}

/** Return the value at a place of an axis. */
function valueAt(svg, axis, share) {
  const [start, end] = [+svg.dataset[`${axis}0`], +svg.dataset[`${axis}1`]];
  if (axis === "y" && svg.dataset.scale === "log") return start * (end / start) ** share;
  return start + (end - start) * share;
}

function textAt(svg, value, axis) {
  const kind = axis === "x" ? svg.dataset.xkind : svg.dataset.scale;
  if (kind === "time") return new Date(value * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  if (kind === "count") return Math.round(value).toLocaleString("en-US");
  if (kind === "duration") return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  if (kind === "percent") return `${(value * 100).toPrecision(4)} %`;
  return Math.abs(value) >= 1e6 ? value.toExponential(3) : String(+value.toPrecision(4));
}

function place(svg, event) {
  const box = svg.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

let tip = null;
let brush = null;

function hideTip(svg) {
  tip?.remove();
  tip = null;
  svg?.classList.remove("faded");
  for (const each of all(".se.lit, .endl.lit", svg ?? document)) each.classList.remove("lit");
}

function showTip(svg, event) {
  const [left, top] = place(svg, event);
  hideTip(svg);
  if (left < -0.02 || left > 1.02 || top < -0.1 || top > 1.1) return;
  const found = [];
  for (const group of all(".plot .se", svg)) {
    const path = group.querySelector(".raw") ?? group.querySelector(".ln");
    const list = path ? pointsOf(path) : [];
    const point = list.length && nearest(list, left * 1000);
    if (point) found.push({ group, point, far: Math.abs(point[1] - top * 1000) });
  }
  if (!found.length) return;
  // The browser's own tooltip would cover the table; the label of the chart stays.
  for (const each of all("title", svg)) each.remove();
  const lit = found.reduce((best, each) => (each.far < best.far ? each : best));
  if (found.length > 1) {
    svg.classList.add("faded");
    for (const each of all(`[data-i="${lit.group.dataset.i}"]`, svg)) each.classList.add("lit");
  }
  tip = document.createElement("div");
  tip.className = "charttip";
  const head = document.createElement("b");
  head.textContent = textAt(svg, valueAt(svg, "x", lit.point[0] / 1000), "x");
  tip.append(head);
  const rows = found.sort((one, other) => one.point[1] - other.point[1]);
  const at = rows.indexOf(lit);
  for (const each of rows.slice(Math.max(0, at - 4), at + 5)) {
    const row = document.createElement("div");
    row.className = each === lit ? "lit" : "";
    const value = document.createElement("span");
    value.textContent = textAt(svg, valueAt(svg, "y", 1 - each.point[1] / 1000), "y");
    row.append(each.group.dataset.name, value);
    tip.append(row);
  }
  document.body.append(tip);
  const width = tip.offsetWidth;
  tip.style.left = `${Math.max(4, event.clientX + 16 + width > innerWidth ? event.clientX - width - 16 : event.clientX + 16)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 12, innerHeight - tip.offsetHeight - 8))}px`;
}

function showBrush(svg, event) {
  const box = svg.getBoundingClientRect();
  const [from, to] = [brush.start, place(svg, event)[0]].map((each) => Math.min(1, Math.max(0, each))).sort((a, b) => a - b);
  brush.mark.style.left = `${box.left + from * box.width}px`;
  brush.mark.style.width = `${(to - from) * box.width}px`;
  brush.mark.style.top = `${box.top}px`;
  brush.mark.style.height = `${box.height}px`;
  return [from, to];
}

document.addEventListener("pointermove", (event) => {
  const svg = event.target.closest?.("svg.chart[data-chart]");
  if (brush) showBrush(brush.svg, event);
  else if (svg) showTip(svg, event);
  else if (tip) hideTip();
  if (!svg) for (const each of all("svg.faded")) hideTip(each);
});

document.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest?.("[data-zoom] svg.chart[data-chart]");
  if (!svg || event.button || event.pointerType === "touch") return;
  event.preventDefault();
  const mark = document.createElement("div");
  mark.className = "brush";
  document.body.append(mark);
  brush = { svg, mark, start: place(svg, event)[0] };
});

// The page draws the part that was chosen: its address has the ends, so that it can be shared.
document.addEventListener("pointerup", (event) => {
  if (!brush) return;
  const [from, to] = showBrush(brush.svg, event);
  const { svg, mark } = brush;
  brush = null;
  mark.remove();
  if (to - from < 0.02) return;
  const address = new URL(location.href);
  address.searchParams.set("low", String(+valueAt(svg, "x", from).toPrecision(9)));
  address.searchParams.set("high", String(+valueAt(svg, "x", to).toPrecision(9)));
  location.assign(address);
});

// ---------- selects that apply at once, and boxes that select rows ----------

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Scroll the current entry of the index into view where it is a strip.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
