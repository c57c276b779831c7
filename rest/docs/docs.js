// The docs page: lists what /openapi.json describes, and tries it out, streams included.
"use strict";

const byId = (id) => document.getElementById(id);

/** An element with properties, attributes (where there is no such property) and children. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

// --- the contract ---

let contract;

/** A schema or response behind its reference; what stands beside a reference goes first. */
function resolve(node) {
  if (!node?.$ref) return node;
  const target = node.$ref.slice(2).split("/").reduce((at, key) => at[key], contract);
  return { ...target, ...node };
}

function operations() {
  const found = [];
  for (const [path, verbs] of Object.entries(contract.paths))
    for (const [verb, about] of Object.entries(verbs))
      found.push({ path, verb: verb.toUpperCase(), about, id: about.operationId });
  return found;
}

const mediaOf = (response) => Object.entries(resolve(response)?.content ?? {})[0] ?? [];
const streams = (operation) => mediaOf(operation.about.responses["200"])[0] === "text/event-stream";
/** The fields of the body, or those of the path. */
function requestOf({ about }) {
  if (about.requestBody) return resolve(about.requestBody.content["application/json"].schema);
  const inPath = (about.parameters ?? []).map(resolve).filter((each) => each.in === "path");
  return { required: inPath.map((each) => each.name), properties: Object.fromEntries(
    inPath.map((each) => [each.name, { description: each.description, ...each.schema }])) };
}

/** The operation's path with the values of its fields, which are JSON text, in their places. */
const pathOf = ({ path }, text) =>
  path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(JSON.parse(text)[name] ?? ""));

/** The rules of a field, in words. */
function rules(schema, required) {
  const words = [];
  if (required) words.push("required");
  if (schema.enum) words.push("one of " + schema.enum.join(", "));
  if (schema.format === "uri") words.push("an http or https URL");
  if (schema.minLength) words.push(`at least ${count(schema.minLength, "character")}`);
  if (schema.maxLength && schema.maxLength < 1048576)
    words.push(`at most ${count(schema.maxLength, "character")}`);
  if (schema.pattern && !schema.pattern.includes("u0000")) words.push(`matches ${schema.pattern}`);
  if (schema.minimum > -2147483648) words.push(`from ${schema.minimum}`);
  if (schema.maximum < 2147483647) words.push(`to ${schema.maximum}`);
  if (schema.minItems) words.push(`at least ${count(schema.minItems, "item")}`);
  if (schema.maxItems < 1048576) words.push(`at most ${count(schema.maxItems, "item")}`);
  return words.join(", ");
}

/** Parts of a hint in a row, without the full stops that stood between them. */
const hinted = (...parts) => parts.filter(Boolean).map((part, i, all) =>
  (i + 1 < all.length ? part.replace(/\.$/, "") : part)).join(" · ");

const count = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

function typeOf(schema) {
  const type = resolve(schema).type;
  if (type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.$ref) return schema.$ref.split("/").pop();
  return type;
}

// --- fields ---

function control(schema) {
  const common = { spellcheck: false, autocomplete: "off" };
  if (schema.enum) {
    const options = ["", ...schema.enum].map((value) => make("option", { value }, value));
    return make("select", {}, ...options);
  }
  if (schema.type === "boolean") return make("input", { type: "checkbox" });
  if (schema.type === "integer" || schema.type === "number")
    return make("input", { type: "text", inputMode: "decimal", ...common });
  if (schema.type !== "string")
    return make("textarea", { className: "code", rows: 2, placeholder: "JSON", ...common });
  const placeholder = schema.default ?? "";
  if (schema.maxLength > 2048)
    return make("textarea", { rows: Math.max(2, placeholder.split("\n").length), placeholder, ...common });
  return make("input", { type: "text", placeholder, ...common });
}

/** What the control holds; undefined when it is empty. Throws on JSON that is none. */
function valueOf(schema, input) {
  if (schema.type === "boolean") return input.checked || undefined;
  if (input.value === "") return undefined;
  if (schema.type === "string") return input.value;
  return JSON.parse(input.value);
}

function field(operation, name, schema, required) {
  const about = resolve(schema);
  const id = `${operation.id}-${name}`;
  const input = control(about);
  const wrong = make("div", { className: "wrong", id: `${id}-wrong` });
  const hint = hinted(about.description, rules(about, required));
  input.id = id;
  input.name = name;
  input.setAttribute("aria-describedby", `${id}-hint ${id}-wrong`);
  const whole = make("div", { className: "field" }, make("label", { htmlFor: id }, name), input,
    make("div", { className: "hint", id: `${id}-hint` }, hint), wrong);
  return {
    name, whole, input,
    read: () => valueOf(about, input),
    blame(message) {
      wrong.textContent = message;
      input.setAttribute("aria-invalid", String(message !== ""));
    },
  };
}

// --- sending ---

function body(fields) {
  const values = {};
  let first = null;
  for (const each of fields) {
    try {
      each.blame("");
      const value = each.read();
      if (value !== undefined) values[each.name] = value;
    } catch {
      each.blame("is not JSON");
      first ??= each.input;
    }
  }
  first?.focus();
  return first ? null : JSON.stringify(values);
}

function headers(operation) {
  const all = {};
  if (operation.about.requestBody) all["Content-Type"] = "application/json";
  if (byId("token").value) all.Authorization = `Bearer ${byId("token").value}`;
  if (byId("key").value) all["X-API-Key"] = byId("key").value;
  return all;
}

/** The events of a stream as {name, data} with data decoded, as they come. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value;
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: "" };
      for (const line of block.split("\n")) {
        const [, key, text] = line.match(/^([^:]*):? ?(.*)$/);
        if (key === "event") event.name = text;
        if (key === "data") event.data += text;
      }
      if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
    }
  }
}

/** The place where one operation shows what came. */
class Result {
  constructor(path) {
    this.path = path;
    // Screen readers announce the first part alone: numbers that run would drown all else.
    this.what = make("strong", { role: "status" });
    this.numbers = make("span", { className: "numbers" });
    this.status = make("div", { className: "status" }, this.what, this.numbers);
    this.content = make("div");
    this.whole = make("div", { className: "result", hidden: true }, this.status, this.content);
  }

  start() {
    this.began = performance.now();
    this.whole.hidden = false;
    this.content.replaceChildren();
    this.say("Waiting …");
  }

  say(what, failed = false, ...notes) {
    this.status.classList.toggle("failed", failed);
    if (this.what.textContent !== what) this.what.textContent = what;
    this.numbers.replaceChildren(
      ...notes.filter(Boolean).map((note) => make("span", {}, note)));
  }

  seconds() {
    const ms = performance.now() - this.began;
    return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  }

  notes(response) {
    const { headers } = response;
    const wait = headers.get("retry-after");
    const id = headers.get("x-request-id");
    const left = [...(headers.get("ratelimit") ?? "").matchAll(/"([^"]*)";r=(\d+)/g)].map(
      ([, policy, calls]) => `${policy}: ${count(Number(calls), "call")} left`);
    return [wait && `try again in ${count(Number(wait), "second")}`, left.join(", "),
      id && `request ${id}`];
  }

  json(value) {
    const text = JSON.stringify(value, null, 2);
    const kinds = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)/g;
    const pre = make("pre", { tabIndex: 0, role: "region", "aria-label": `Answer of ${this.path}` });
    let at = 0;
    for (const match of text.matchAll(kinds)) {
      const kind = match[2] ? "name" : match[1] ? "string" : "number";
      pre.append(text.slice(at, match.index), make("span", { className: kind }, match[1] ?? match[3]),
        match[2] ?? "");
      at = match.index + match[0].length;
    }
    pre.append(text.slice(at));
    this.content.replaceChildren(pre);
  }

  problem(problem, fields) {
    const list = make("ul");
    for (const violation of problem.violations ?? []) {
      const path = violation.path || "the request";
      list.append(make("li", {}, make("code", {}, path), ` ${violation.message}`));
      fields.find((each) => each.name === path.split(/[.[]/)[0])?.blame(violation.message);
    }
    this.content.append(make("div", { className: "problem" }, make("strong", {}, problem.title),
      make("div", {}, problem.detail), list.children.length ? list : null));
    fields.find((each) => each.input.getAttribute("aria-invalid") === "true")?.input.focus();
  }

  async stream(response, fields) {
    const words = make("div",
      { className: "words live", tabIndex: 0, role: "region", "aria-label": `Answer of ${this.path}` });
    this.content.replaceChildren(words);
    let pieces = 0, first = null, end = null;
    try {
      for await (const { name, data } of events(response)) {
        if (name === "error") {
          end = data.title;
          this.say(`${data.status} ${data.code}`, true, this.seconds());
          this.problem(data, fields);
        } else if (data.done) {
          end = "";
        } else {
          first ??= this.seconds();
          pieces++;
          words.append(make("span", {}, data.chunk));
          words.scrollTop = words.scrollHeight;
          this.say("Streaming", false, count(pieces, "piece"), this.seconds());
        }
      }
    } finally {
      words.classList.remove("live");
    }
    if (end === null) this.say("Cut short", true, "The stream ended without its last event.");
    if (end === "")
      this.say(`${response.status} done`, false, count(pieces, "piece"), `first after ${first}`,
        `all after ${this.seconds()}`, ...this.notes(response));
  }

  async show(response, fields) {
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("text/event-stream")) return this.stream(response, fields);
    const text = await response.text();
    const value = text ? JSON.parse(text) : null;
    const word = value?.code ?? value?.error?.code;
    const code = word && !response.ok ? ` ${word}` : "";
    this.say(`${response.status}${code || (response.ok ? " OK" : "")}`, !response.ok,
      this.seconds(), ...this.notes(response));
    if (type.startsWith("application/problem+json")) this.problem(value, fields);
    else if (value) this.json(value);
  }
}

async function send(operation, fields, result, button) {
  if (button.leave) return button.leave.abort();
  const text = body(fields);
  if (text === null) return;
  const label = button.textContent;
  button.leave = new AbortController();
  button.textContent = "Stop";
  button.setAttribute("aria-busy", "true");
  result.start();
  try {
    const response = await fetch(pathOf(operation, text), {
      method: operation.verb, headers: headers(operation), credentials: "omit",
      body: operation.about.requestBody ? text : undefined, signal: button.leave.signal });
    await result.show(response, fields);
  } catch (error) {
    if (error.name === "AbortError") result.say("Stopped", true, `after ${result.seconds()}`);
    else result.say("No answer", true, "The connection failed or the answer could not be read.");
  } finally {
    button.leave = null;
    button.textContent = label;
    button.setAttribute("aria-busy", "false");
  }
}

// --- commands ---

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function credentials() {
  const all = [];
  if (byId("token").value) all.push('-H "Authorization: Bearer $TOKEN"');
  if (byId("key").value) all.push('-H "X-API-Key: $API_KEY"');
  return all;
}

function asCurl(operation, text) {
  const words = [`curl -s${streams(operation) ? "N" : ""} ${location.origin}${pathOf(operation, text)}`,
    ...credentials()];
  if (operation.about.requestBody)
    words.push("-H 'Content-Type: application/json'", `-d ${quote(text)}`);
  return words.join(" \\\n  ");
}

function asGrpcurl(operation, text) {
  return ["grpcurl -plaintext", ...credentials(), `-d ${quote(text)}`,
    `${byId("address").value} ${operation.about["x-grpc-method"]}`].join(" \\\n  ");
}

function copier(label, command) {
  const button = make("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    const text = command();
    if (text === null) return;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

// --- the page ---

function answers(operation) {
  const [type, media] = mediaOf(operation.about.responses["200"]);
  const table = make("table");
  const row = (name, ...about) =>
    table.append(make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, ...about)));
  const schema = resolve(media?.schema) ?? {};
  if (type === "text/event-stream")
    schema.oneOf.map(resolve).forEach((event) =>
      row(make("code", {}, Object.keys(event.properties).slice(0, 2).join(", ")), event.description));
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const about = resolve(property);
    row(make("code", {}, name),
      hinted(typeOf(property), about.const && `always “${about.const}”`, about.description,
        rules(about, false)));
  }
  for (const [status, response] of Object.entries(operation.about.responses))
    if (status !== "200") row(make("code", {}, status === "default" ? "other" : status),
      resolve(response).description);
  return make("details", { className: "more" }, make("summary", {}, "Answers and errors"),
    make("div", { className: "scroll", tabIndex: 0, role: "region",
      "aria-label": `Answers and errors of ${operation.path}` }, table));
}

/** Text with `code` in it. */
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));

function card(operation) {
  const { about } = operation;
  const schema = requestOf(operation);
  const fields = Object.entries(schema?.properties ?? {}).map(([name, property]) =>
    field(operation, name, property, schema.required?.includes(name)));
  const result = new Result(operation.path);
  const button = make("button", { className: "send" }, "Send");
  const with_text = (command) => () => {
    const sent = body(fields);
    return sent === null ? null : command(operation, sent);
  };
  const form = make("form", { noValidate: true }, ...fields.map((each) => each.whole),
    make("div", { className: "actions" }, button, copier("Copy as curl", with_text(asCurl)),
      about["x-grpc-method"] ? copier("Copy as grpcurl", with_text(asGrpcurl)) : null));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(operation, fields, result, button);
  });
  form.addEventListener("keydown", (event) => {
    // Enter alone does it in fields of one line.
    const of_many_lines = event.target.tagName === "TEXTAREA";
    if (of_many_lines && event.key === "Enter" && (event.ctrlKey || event.metaKey))
      form.requestSubmit();
  });
  return make("article", { id: operation.id, "aria-labelledby": `${operation.id}-title` },
    make("div", { className: "route" }, make("span", { className: "verb" }, operation.verb),
      make("span", { className: "path" }, operation.path),
      streams(operation) ? make("span", { className: "badge" }, "stream") : null),
    make("h3", { id: `${operation.id}-title` }, about.summary),
    make("p", { className: "about" }, ...prose(about.description ?? "")),
    form, result.whole, answers(operation));
}

function follow() {
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const watcher = new IntersectionObserver((entries) => {
    const entry = entries.find((each) => each.isIntersecting);
    if (!entry) return;
    for (const [id, link] of links)
      if (id === entry.target.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
  }, { rootMargin: "-10% 0px -70% 0px" });
  document.querySelectorAll("article").forEach((article) => watcher.observe(article));
}

async function open() {
  const response = await fetch("/openapi.json", { credentials: "omit" });
  contract = await response.json();
  byId("version").textContent = contract.info.version;
  byId("address").value = `${location.hostname}:50051`;
  const all = operations();
  for (const tag of contract.tags) {
    const own = all.filter((operation) => operation.about.tags.includes(tag.name));
    const title = tag.name[0].toUpperCase() + tag.name.slice(1);
    byId("index").append(make("li", { className: "group" }, title),
      ...own.map((each) => make("li", {}, make("a", { href: `#${each.id}` },
        tag.name === "system" ? each.path : each.id.replace(/(?<=[a-z])(?=[A-Z])/g, " ")))));
    byId("flows").append(make("h2", {}, title), make("p", {}, tag.description), ...own.map(card));
  }
  byId("token").form.addEventListener("submit", (event) => event.preventDefault());
  byId("loading").remove();
  follow();
  if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
}

open().catch(() => { byId("loading").textContent = "The contract could not be read."; });
