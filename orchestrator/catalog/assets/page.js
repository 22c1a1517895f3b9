"use strict";
/* The table is all there without this; here it is searched, sorted, copied from and translated.
   Texts go into the page as text, never as HTML. */
(() => {
  const { words, clients } = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const table = document.getElementById("images");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const search = document.getElementById("search");
  const target = document.getElementById("target");
  const client = document.getElementById("client");
  const retag = document.getElementById("retag");
  const ask = document.getElementById("ask");
  const ORDER = ["failed", "waiting", "kept", "new", "in-sync", "unlisted"];
  const NAMES = { en: "English", zh: "中文" };

  /* What the reader chose stays in this browser, where it lets a page keep anything. */
  const kept = {
    get(name) { try { return localStorage.getItem("syncer." + name); } catch { return null; } },
    set(name, value) { try { localStorage.setItem("syncer." + name, value); } catch { /* no matter */ } },
  };
  const view = { q: "", state: "", target: "", sort: "name", down: false };
  let language = root.lang;

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (field, key) => values[key] ?? field);
  const say = (name, values = {}) => filled(words[language][name] ?? name, values);
  const element = (tag, className = "", text = "") => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  };

  /* Rows as values, once: what is searched, and what is sorted by. */
  const values = new Map(rows.map((row, place) => {
    const d = row.dataset;
    const when = (name) => one(`td.${name} time`, row)?.dateTime ?? "";
    const name = one(".name", row).textContent;
    const platforms = one("td.platforms", row).textContent;
    return [row, {
      place, name, platforms, target: d.target, state: ORDER.indexOf(d.state),
      address: one(".place", row)?.textContent ?? "", size: Number(d.size),
      changed: when("changed"), checked: when("checked"), isThere: Boolean(one("button.copy", row)),
      text: [name, one(".place", row)?.textContent, platforms, d.name, d.digest, d.target, d.asked]
        .join(" ").toLowerCase(),
    }];
  }));

  /* Language, times, colours. */
  const relative = (moment) => {
    const seconds = (new Date(moment) - Date.now()) / 1000;
    const format = relative.formats[language] ??= new Intl.RelativeTimeFormat(language, { style: "short" });
    for (const [unit, length] of [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]])
      if (Math.abs(seconds) >= length) return format.format(Math.round(seconds / length), unit);
    return format.format(-1, "minute");
  };
  relative.formats = {};
  const translate = () => {
    root.lang = language;
    document.title = say("title");
    for (const node of all("[data-t]")) {
      const fields = node.dataset.a ? JSON.parse(node.dataset.a) : {};
      if (node.dataset.time) node.title = fields.time, fields.time = relative(node.dataset.time);
      node.textContent = say(node.dataset.t, fields);
    }
    for (const node of all("[data-t-label]")) node.setAttribute("aria-label", say(node.dataset.tLabel));
    for (const node of all("[data-t-title]")) node.title = say(node.dataset.tTitle);
    for (const node of all("[data-t-placeholder]")) node.placeholder = say(node.dataset.tPlaceholder);
    for (const node of all("time")) node.textContent = relative(node.dateTime);
    for (const [row, { name }] of values) {
      one("button.copy", row)?.setAttribute("aria-label", say("copy.of", { name }));
    }
    const other = language === "zh" ? "en" : "zh";
    const button = document.getElementById("language");
    button.textContent = NAMES[other];
    button.lang = other;
    showTheme();
    redrawDetails();
    show();
  };
  const THEMES = ["auto", "light", "dark"];
  let theme = root.dataset.theme ?? "auto";
  const showTheme = () => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    button.textContent = { auto: "◐", light: "○", dark: "●" }[theme];
    button.title = `${say("theme")}: ${say("theme." + theme)}`;
    button.setAttribute("aria-label", button.title);
  };

  /* Commands. */
  const chosen = () => clients.find(({ name }) => name === client.value) ?? clients[0];
  const command = (row) => {
    const { pull, retag: both, wants_full_names: full } = chosen();
    const name = full ? row.dataset.name : row.dataset.short;
    return filled(retag.checked && name ? both : pull, { address: values.get(row).address, name });
  };
  const write = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = element("textarea", "sr");
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  };
  /* Where a browser lets nothing be copied, the command is shown and chosen, to be copied by hand. */
  const copy = async (button, text) => {
    const done = await write(text);
    const row = button.closest("tr");
    if (!done && values.has(row)) toggle(row, true);
    const shown = done ? null : one("pre", button.closest(".command") ?? open.get(row));
    if (shown) getSelection().selectAllChildren(shown);
    button.textContent = say(done ? "copied" : "copy.failed");
    button.classList.toggle("done", done);
    document.getElementById("shown").textContent = button.textContent;
    clearTimeout(button.timer);
    button.timer = setTimeout(() => {
      button.textContent = say("copy");
      button.classList.remove("done");
      count();
    }, 1600);
  };

  /* Details of a row, below it. */
  const open = new Map();
  const copyable = (text) => {
    const line = element("div", "command");
    const button = element("button", "copy", say("copy"));
    button.type = "button";
    button.addEventListener("click", () => copy(button, text));
    line.append(element("pre", "", text), button);
    return line;
  };
  const detail = (row) => {
    const d = row.dataset, known = values.get(row);
    const made = element("tr", "detail"), cell = element("td"), panel = element("div", "panel");
    const commands = element("div", "commands"), facts = element("dl");
    made.setAttribute("role", "row");
    cell.setAttribute("role", "cell");
    if (known.isThere) {
      commands.append(element("h2", "", `${say("commands")}: ${chosen().name}`), copyable(command(row)));
      const login = element("p", "login", say("private") + " ");
      const { address } = known;
      login.append(element("code", "", filled(chosen().login, { address, host: address.split("/")[0] })));
      commands.append(login);
      const bytes = `${known.address.replace(/:[^:/]*$/, "")}@${d.digest}`;
      if (d.digest) commands.append(element("h2", "", say("by-digest")), copyable(bytes));
    } else {
      commands.append(element("p", "", say("not-there")));
    }
    const fact = (name, text, isCode = false) => {
      if (!text) return;
      const value = element("dd");
      value.append(isCode ? element("code", "", text) : text);
      facts.append(element("dt", "", say(name)), value);
    };
    const moment = (name) => one(`td.${name} time`, row)?.title;
    const reason = d.reason && (words[language]["reason." + d.reason] ?? d.reason);
    const older = d.state === "failed" && known.isThere ? ` ${say("older")}` : "";
    fact("state", say("state." + d.state) + (d.state === "failed" ? `: ${reason}.${older}` : ""));
    if (d.state !== "failed" && d.state !== "new") fact("why", reason);
    fact("remedy", d.state === "failed" ? words[language]["remedy." + d.reason] : "");
    fact("source", d.name || known.name, true);
    fact("address", known.address, true);
    fact("target", d.target);
    fact("visibility", d.visibility && say("visibility." + d.visibility));
    fact("platform.asked", d.asked);
    fact("platforms", all("td.platforms span", row).map((span) => span.textContent).join(", "));
    fact("digest", d.digest, true);
    if (d.sourceDigest !== d.digest) fact("source-digest", d.sourceDigest, true);
    fact("size", one("td.size", row).textContent || say("unknown"));
    fact("created", d.created);
    fact("changed", moment("changed") ?? (known.isThere ? say("unknown") : ""));
    fact("checked", moment("checked"));
    panel.append(commands, facts);
    cell.append(panel);
    made.append(cell);
    return made;
  };
  const toggle = (row, isOpen = !open.has(row)) => {
    open.get(row)?.remove();
    open.delete(row);
    one(".name", row).setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    const made = detail(row);
    open.set(row, made);
    row.after(made);
  };
  const redrawDetails = () => { for (const row of [...open.keys()]) toggle(row, true); };

  /* Search, filters, order. */
  let visible = rows;
  const count = () => {
    document.getElementById("shown").textContent = say("shown", { n: visible.length, all: rows.length });
  };
  const show = () => {
    const wanted = view.q.toLowerCase().split(/\s+/).filter(Boolean);
    visible = [];
    for (const row of body.rows) {
      const known = values.get(row);
      if (!known) continue;
      const fits = (!view.state || row.dataset.state === view.state)
        && (!view.target || known.target === view.target)
        && wanted.every((word) => known.text.includes(word));
      row.hidden = !fits;
      const below = open.get(row);
      if (below) below.hidden = !fits;
      if (fits) visible.push(row);
    }
    document.getElementById("nothing").hidden = visible.length > 0 || rows.length === 0;
    if (ask) {
      ask.textContent = view.q ? say("ask.for", { name: view.q.trim() }) : say("ask");
      ask.href = ask.dataset.base + encodeURIComponent(view.q.trim());
    }
    for (const chip of all("[data-chip]"))
      chip.setAttribute("aria-pressed", String(chip.dataset.chip === view.state));
    count();
    remember();
  };
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const compare = (a, b) => {
    const x = values.get(a)[view.sort], y = values.get(b)[view.sort];
    if (x === y) return values.get(a).place - values.get(b).place;
    if (x === "" || y === "" || (view.sort === "size" && (!x || !y))) return x ? -1 : 1;
    const order = typeof x === "number" ? x - y : collator.compare(x, y);
    return (view.down ? -order : order) || values.get(a).place - values.get(b).place;
  };
  const sort = () => {
    const sorted = document.createDocumentFragment();
    for (const row of [...rows].sort(compare)) {
      sorted.append(row);
      if (open.has(row)) sorted.append(open.get(row));
    }
    body.append(sorted);
    for (const head of all("[data-sort]", table.tHead)) {
      if (head.dataset.sort === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };

  /* The view stands in the address, so that it can be sent to somebody. */
  const remember = () => {
    const told = new URLSearchParams();
    for (const [name, value] of Object.entries(view))
      if (value && !(name === "sort" && value === "name" && !view.down)) told.set(name, value === true ? "1" : value);
    const hash = String(told);
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
  };
  const recall = () => {
    const told = new URLSearchParams(location.hash.slice(1));
    view.q = told.get("q") ?? "";
    view.state = all("[data-chip]").some((chip) => chip.dataset.chip === told.get("state")) ? told.get("state") : "";
    view.target = target && [...target.options].some((option) => option.value === told.get("target")) ? told.get("target") : "";
    view.sort = one(`[data-sort="${CSS.escape(told.get("sort") ?? "")}"]`) ? told.get("sort") : "name";
    view.down = told.get("down") === "1";
    search.value = view.q;
    if (target) target.value = view.target;
  };
  const reset = () => {
    Object.assign(view, { q: "", state: "", target: "" });
    search.value = "";
    if (target) target.value = "";
    show();
  };

  /* What the reader does. */
  let waiting = 0;
  search.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { view.q = search.value; show(); });
  });
  one("form.tools").addEventListener("submit", (event) => event.preventDefault());
  for (const chip of all("[data-chip]"))
    chip.addEventListener("click", () => { view.state = chip.dataset.chip; show(); });
  target?.addEventListener("change", () => { view.target = target.value; show(); });
  client.addEventListener("change", () => { kept.set("client", client.value); redrawDetails(); });
  retag.addEventListener("change", () => { kept.set("retag", retag.checked ? "1" : ""); redrawDetails(); });
  document.getElementById("reset").addEventListener("click", () => { reset(); search.focus(); });
  document.getElementById("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    kept.set("language", language);
    translate();
  });
  document.getElementById("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    kept.set("theme", theme);
    showTheme();
  });
  for (const head of all("[data-sort]", table.tHead))
    one("button", head).addEventListener("click", () => {
      const isSame = view.sort === head.dataset.sort;
      const newestFirst = ["size", "changed", "checked"].includes(head.dataset.sort);
      view.down = isSame ? !view.down : newestFirst;
      view.sort = head.dataset.sort;
      sort();
      show();
    });
  body.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const row = button?.closest("tr");
    if (!row || !values.has(row)) return;
    if (button.matches(".name")) toggle(row);
    if (button.matches(".copy")) copy(button, command(row));
  });
  const focusedRow = () => {
    const row = document.activeElement?.closest("#images tbody tr");
    return row?.matches(".detail") ? row.previousElementSibling : row;
  };
  const move = (steps) => {
    const place = visible.indexOf(focusedRow());
    const next = visible[place < 0 ? 0 : Math.min(visible.length - 1, place + steps)];
    if (place === 0 && steps < 0) search.focus(); else if (next) one(".name", next).focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const isTyping = event.target.matches("input[type=search], select");
    if (event.key === "Escape") reset();
    else if (event.key === "/" && !isTyping) search.focus(), search.select();
    else if (event.key === "ArrowDown" && !event.target.matches("select")) move(1);
    else if (event.key === "ArrowUp" && !event.target.matches("select")) move(-1);
    else if (event.key === "c" && !isTyping && focusedRow()) one("button.copy", focusedRow())?.click();
    else return;
    event.preventDefault();
  });
  addEventListener("hashchange", () => { recall(); sort(); show(); });

  /* Begin. */
  if (ask) ask.dataset.base = ask.getAttribute("href");
  const preferred = kept.get("language") ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "");
  if (words[preferred]) language = preferred;
  if (clients.some(({ name }) => name === kept.get("client"))) client.value = kept.get("client");
  retag.checked = kept.get("retag") === "1";
  for (const node of [one(".prefs"), one("form.tools")]) node.hidden = false;
  root.classList.add("ready");
  recall();
  if (view.sort !== "name" || view.down) sort();
  else one('[data-sort="name"]', table.tHead).setAttribute("aria-sort", "ascending");
  translate();
})();
