// The page that shows /openapi.json. All text of the description and of answers
// is set as text, never as markup.
"use strict";

const MAX_SHOWN = 512 * 1024; // bytes of an answer that are read and shown
const $ = (id) => document.getElementById(id);

// el makes an element: properties by name, then children, of which strings are text.
function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

// Row is one operation and the elements that show it.
class Row {
  constructor(path, method, op) {
    this.path = path;
    this.method = method.toUpperCase();
    this.op = op;
    this.public = op["x-permission"] === "public";
    this.socket = op["x-kind"] === "socket";
    this.key = this.method + path;
    const extra = [op["x-built"] === false && "not built", op.deprecated && "deprecated", op["x-cache-seconds"] && "cached"];
    this.text = [this.method, path, op["x-pattern"], op.summary, op["x-permission"], ...extra.filter(Boolean)].join(" ").toLowerCase();
    this.node = this.build();
  }

  build() {
    const { op } = this;
    const path = el("span", { className: "path" });
    for (const part of op["x-pattern"].split("/").slice(1)) {
      path.append(el("wbr"), "/", part.startsWith(":") ? el("i", {}, part) : part);
    }
    const badges = el("span", { className: "badges" });
    const badge = (text, kind, title) => badges.append(el("span", { className: "badge " + kind, title }, text));
    if (op["x-built"] === false) badge("not built", "warn", "answers 501 in this release");
    if (op.deprecated) badge("deprecated", "warn", "kept for old clients");
    if (op["x-cache-seconds"]) badge("cached " + op["x-cache-seconds"] + " s", "", "a reply may be this old");
    badge(op["x-permission"], "level " + (this.public ? "public" : ""), "permission that the route demands");
    const method = this.socket ? "WS" : this.method;
    const node = el("details", { className: "route" + (op.deprecated ? " old" : "") },
      el("summary", {}, el("span", { className: "method " + method.toLowerCase() }, method),
        el("span", { className: "what" }, path, el("span", { className: "says" }, op.summary)), badges));
    node.addEventListener("toggle", () => {
      if (!node.open) return;
      this.fill();
      history.replaceState(null, "", "#" + this.key);
    });
    return node;
  }

  // fill makes what an open row shows, the first time it is opened.
  fill() {
    if (this.fields) return;
    const { op } = this;
    const body = el("div", { className: "body" });
    if (op.description) body.append(el("p", {}, ...marked(op.description)));
    this.fields = this.listFields();
    if (this.fields.length) {
      body.append(el("h3", {}, "Parameters"), el("ul", { className: "params" }, ...this.fields.map((f) => f.node)));
    }
    const done = op.responses["200"] || op.responses["101"];
    body.append(el("h3", {}, "Result"), el("p", {}, done.description));
    this.example = el("pre", { tabIndex: 0, role: "region", ariaLabel: "Example" });
    const copy = el("button", { type: "button" }, "Copy");
    copy.addEventListener("click", () => this.copy(copy));
    body.append(el("h3", {}, "Example"), this.example);
    this.bar = el("div", { className: "bar" }, copy);
    body.append(this.bar);
    if (this.public && this.method === "GET" && !this.socket) this.addSend(body);
    body.addEventListener("input", () => this.showExample());
    this.node.append(body);
    this.showExample();
  }

  // listFields returns an input for each parameter and each member of the body.
  listFields() {
    const fields = [];
    const add = (name, place, schema, need, note, many) => {
      const id = `f-${this.op.operationId}-${fields.length}`;
      const file = schema.contentMediaType !== undefined;
      const value = el("input", { id, type: "text", autocomplete: "off", spellcheck: false, required: need });
      if (schema.default !== undefined) value.placeholder = "default: " + JSON.stringify(schema.default).replace(/^"|"$/g, "");
      else if (file) value.placeholder = "path of the file";
      const kind = [place, file ? "file" : schema.type || "any"].join(" · ");
      const label = el("label", { htmlFor: id }, many ? "file" : name);
      if (need) label.append(" ", el("span", { className: "need", title: "required" }, "*"));
      label.append(el("small", {}, kind));
      const node = el("li", {}, label, value);
      if (note) {
        const p = el("p", { className: "note", id: id + "-note" }, note);
        value.setAttribute("aria-describedby", p.id);
        node.append(p);
      }
      fields.push({ name, place, schema, need, file, value, node });
    };
    for (const p of this.op.parameters || []) {
      add(p.name, p.in, p.schema || p.content["application/json"].schema, !!p.required, p.description);
    }
    const body = this.op.requestBody;
    if (body) {
      this.bodyType = Object.keys(body.content)[0];
      const { schema } = body.content[this.bodyType];
      if (schema.properties || schema.additionalProperties) {
        for (const [name, s] of Object.entries(schema.properties || {})) {
          add(name, "body", s, (schema.required || []).includes(name), s.description);
        }
        if (schema.additionalProperties) add("file", "body", schema.additionalProperties, !!body.required, schema.additionalProperties.description, true);
      } else {
        add("body", "whole", schema, !!body.required, body.description);
      }
    }
    return fields;
  }

  // url fills the path and the query with what was typed; example puts names
  // in place of required values that are missing.
  url(example) {
    let path = this.path;
    const query = [];
    for (const f of this.fields) {
      const v = f.value.value;
      if (f.place === "path") {
        path = path.replace(`{${f.name}}`, () => (v === "" ? `<${f.name}>` : encodeURIComponent(v)));
      } else if (f.place === "query" && (v !== "" || (example && f.need))) {
        query.push(encodeURIComponent(f.name) + "=" + (v === "" ? `<${f.name}>` : encodeURIComponent(v)));
      }
    }
    return path + (query.length ? "?" + query.join("&") : "");
  }

  showExample() {
    const origin = location.origin;
    if (this.socket) {
      this.example.textContent = "websocat " + quote(origin.replace(/^http/, "ws") + this.url(true));
      return;
    }
    const lines = [`curl -sS ${quote(origin + this.url(true))}`];
    if (!this.public) lines.push(`-H "zelidauth: zelid=<Flux ID>&signature=<signature>&loginPhrase=<phrase>"`);
    for (const f of this.fields) {
      if (f.place === "header" && (f.value.value || f.need)) lines.push("-H " + quote(`${f.name}: ${f.value.value || `<${f.name}>`}`));
    }
    const members = this.fields.filter((f) => f.place === "body" && (f.need || f.value.value !== ""));
    const whole = this.fields.find((f) => f.place === "whole");
    if (this.bodyType === "multipart/form-data") {
      for (const f of members) lines.push("-F " + quote(`${f.name}=${f.file ? "@" : ""}${f.value.value || `<${f.file ? "path" : f.name}>`}`));
    } else if (whole) {
      lines.push(`-H "Content-Type: ${whole.schema.type === "string" ? "text/plain" : "application/json"}"`, "-d " + quote(whole.value.value || "<body>"));
    } else if (members.length) {
      const object = Object.fromEntries(members.map((f) => [f.name, typed(f)]));
      lines.push(`-H "Content-Type: application/json"`, "-d " + quote(JSON.stringify(object)));
    } else if (this.method === "POST") {
      lines.push("-X POST");
    }
    this.example.textContent = lines.join(" \\\n  ");
  }

  async copy(button) {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(this.example.textContent);
    } catch { // pages without TLS have no clipboard: select it, for the keyboard
      getSelection().selectAllChildren(this.example);
      said = document.execCommand("copy") ? "Copied" : "Selected";
    }
    button.textContent = said;
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  addSend(body) {
    const send = el("button", { type: "button", className: "send" }, "Send");
    this.state = el("output");
    this.reply = el("pre", { className: "reply", hidden: true, tabIndex: 0, role: "region", ariaLabel: "Answer" });
    send.addEventListener("click", () => (this.stop ? this.stop.abort() : this.send(send)));
    this.bar.prepend(send);
    this.bar.append(this.state);
    body.append(this.reply);
    body.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && e.target.tagName === "INPUT" && !this.stop) this.send(send);
    });
  }

  // send makes the call and shows status, time and body.
  async send(button) {
    const missing = this.fields.find((f) => f.need && f.value.value === "");
    if (missing) {
      this.say(`${missing.name} is required`, true);
      missing.value.focus();
      return;
    }
    const headers = {};
    for (const f of this.fields) if (f.place === "header" && f.value.value) headers[f.name] = f.value.value;
    this.stop = new AbortController();
    button.textContent = "Stop";
    this.say("Waiting…");
    const start = performance.now();
    const took = () => `${Math.round(performance.now() - start)} ms`;
    let head = "";
    try {
      const res = await fetch(this.url(false), { headers, signal: this.stop.signal });
      head = `${res.status} ${res.statusText}`.trim();
      let shown = "";
      const size = await this.read(res, (text) => { shown = text; this.show(text); });
      this.show(pretty(shown));
      this.say(`${head} · ${took()} · ${size}`, !res.ok);
    } catch (e) {
      const why = this.stop.signal.aborted ? "stopped" : e.message;
      this.say([head, why, took()].filter(Boolean).join(" · "), !this.stop.signal.aborted);
    } finally {
      this.stop = null;
      button.textContent = "Send";
    }
  }

  // read takes the body as it comes, up to MAX_SHOWN, and returns its size in words.
  async read(res, show) {
    if (!/json|text|xml|javascript|event-stream/.test(res.headers.get("Content-Type") || "text")) {
      await res.body?.cancel();
      show(`(${res.headers.get("Content-Type")}: not shown)`);
      return "not read";
    }
    const decoder = new TextDecoder();
    const reader = res.body?.getReader();
    let size = 0, text = "";
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      text += decoder.decode(value, { stream: true });
      if (this.op["x-kind"] === "stream") show(text);
      if (size > MAX_SHOWN) {
        await reader.cancel();
        show(text + "\n… cut here");
        return `over ${MAX_SHOWN / 1024} KiB`;
      }
    }
    show(text);
    return size < 1024 ? `${size} bytes` : `${(size / 1024).toFixed(1)} KiB`;
  }

  say(text, bad) {
    this.state.textContent = text;
    this.state.classList.toggle("bad", !!bad);
  }

  show(text) {
    this.reply.hidden = false;
    this.reply.textContent = text;
  }
}

// quote makes one word for a POSIX shell.
function quote(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

// typed returns the value of a member as JSON of its type, or a name in its place.
function typed(f) {
  const v = f.value.value;
  if (v === "") return f.schema.type === "array" ? [] : f.schema.type === "object" ? {} : `<${f.name}>`;
  if (f.schema.type === "string") return v;
  try { return JSON.parse(v); } catch { return v; }
}

// pretty indents JSON. Numbers stay as they were sent, where the browser can do that.
function pretty(text) {
  const keep = (_, v, at) => (typeof v === "number" && at && JSON.rawJSON ? JSON.rawJSON(at.source) : v);
  try { return JSON.stringify(JSON.parse(text, keep), null, 2); } catch { return text || "(empty)"; }
}

// marked turns `code` and **strong** of a description into elements.
function marked(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map((part) => {
    if (part[0] === "`") return el("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return el("strong", {}, part.slice(2, -2));
    return part;
  });
}

// build shows the document: a section and a link for each module.
function build(doc) {
  $("title").textContent = doc.info.title;
  $("version").textContent = `${doc.info.version} · fluxosd ${doc.info["x-fluxosd-version"]}`;
  $("intro").append(...doc.info.description.split("\n\n").map((p) => el("p", {}, ...marked(p))));
  const modules = new Map(doc.tags.map((t) => [t.name, { tag: t, rows: [] }]));
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const [method, op] of Object.entries(item)) modules.get(op.tags[0]).rows.push(new Row(path, method, op));
  }
  for (const m of modules.values()) {
    m.count = el("span", {}, String(m.rows.length));
    m.link = el("a", { href: "#/" + m.tag.name }, m.tag.name, m.count);
    const title = el("h2", { id: "/" + m.tag.name }, "/" + m.tag.name, " ", el("small", {}, m.tag.description));
    m.node = el("section", {}, title, el("div", { className: "routes" }, ...m.rows.map((r) => r.node)));
    m.node.setAttribute("aria-labelledby", title.id);
  }
  const all = [...modules.values()];
  $("modules").append(...all.map((m) => m.link));
  $("list").append(...all.map((m) => m.node));
  return all;
}

// filter shows the rows that have every word of the search.
function filter(modules) {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0, total = 0;
  for (const m of modules) {
    let n = 0;
    for (const r of m.rows) {
      const fits = words.every((w) => r.text.includes(w));
      r.node.hidden = !fits;
      n += fits;
    }
    m.node.hidden = n === 0;
    m.link.classList.toggle("none", n === 0);
    m.count.textContent = String(n);
    shown += n;
    total += m.rows.length;
  }
  $("about").hidden = words.length > 0;
  $("nothing").hidden = shown > 0;
  $("count").textContent = words.length ? `${shown} of ${total} routes` : `${total} routes`;
}

// follow shows what the address names: a row, #GET/daemon/getinfo, or a module, #/daemon.
function follow(modules) {
  let key = location.hash.slice(1);
  try { key = decodeURIComponent(key); } catch { /* not encoded */ }
  const row = modules.flatMap((m) => m.rows).find((r) => r.key === key || r.method + r.op["x-pattern"] === key);
  const title = $(key);
  if (title && key.startsWith("/")) title.scrollIntoView();
  if (!row) return;
  if (row.node.hidden) {
    $("search").value = "";
    filter(modules);
  }
  row.fill(); // now, so that what is above and below has its place
  row.node.open = true;
  row.node.scrollIntoView({ block: "start" });
  row.node.querySelector("summary").focus({ preventScroll: true });
}

async function start() {
  const res = await fetch("/openapi.json");
  if (!res.ok) throw new Error(`/openapi.json answered ${res.status}`);
  const modules = build(await res.json());
  const search = $("search");
  const clear = () => { search.value = ""; filter(modules); };
  search.addEventListener("input", () => filter(modules));
  $("clear").addEventListener("click", () => { clear(); search.focus(); });
  document.addEventListener("keydown", (e) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName);
    if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
      e.preventDefault();
      search.select();
    } else if (e.key === "Escape" && (!typing || e.target === search)) {
      if (search.value) clear();
      else search.blur();
    }
  });
  addEventListener("hashchange", () => follow(modules));
  filter(modules);
  follow(modules);
}

start().catch((e) => { $("count").textContent = "The description could not be loaded: " + e.message; });
