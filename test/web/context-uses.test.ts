import { expect, test } from "bun:test";
import { Script } from "node:vm";
import { isAsync } from "elysia/compose";
import { sucrose } from "elysia/sucrose";

/**
 * Elysia parses of a request what the text of a function shows that it looks at: see patches/. These show it in all the
 * ways there are, each with `KEY` for what is looked at, and each function is one line.
 */
const LOOKING = String.raw`
({ KEY }) => KEY
({ KEY: own }) => own
({ KEY = {} }) => KEY
({ KEY: own = {} }) => own
({ request: { url: u }, KEY }) => KEY
({ request: { headers: { host = "a, b }" } = {} }, KEY }) => KEY
({ store = { a: [1], b: 2 }, KEY }) => KEY
({ store = "),=>", KEY }) => KEY
({ store = '}', KEY: own }) => own
({ store = "\"}", KEY: own }) => own
({ store = (a, b) => ({ a, b }), KEY }) => KEY
({ store = ((x) => x)({}), KEY }) => KEY
({ store = ${'`${")"}`'}, KEY }) => KEY
({ store = /[)}"]/, KEY }) => KEY
({ "KEY": own }) => own
({ 'KEY': own }) => own
({ ["KEY"]: own }) => own
({ ...rest }) => rest.KEY
({ request, ...rest }) => rest.KEY
({ status = () => 1, ...rest }) => rest["KEY"]
({ /* } */ KEY }) => KEY
({ KEY } = {}) => KEY
(c = {}) => c.KEY
(c, other = c.KEY) => other
(c, { [c.KEY]: other } = {}) => other
(/* c */ c) => c.KEY
(/* ) => */ { KEY }) => KEY
(...all) => all[0].KEY
(...[{ KEY }]) => KEY
c => c.KEY
$ => $.KEY
$$ => $$.KEY
été => été.KEY
c => c?.KEY
c => c["KEY"]
c => c?.['KEY']
c => c[${"`KEY`"}]
c => c[[..."KEY"].join("")]
c => (c).KEY
c => c /* . */ .KEY
c => c.\u0061bout || c.KEY
(c) => \u0063.KEY
(c) => { return c.KEY }
(c) => { const own = c; return own.KEY }
(c) => { let a = c, b = a; return b.KEY }
(c) => { const own = { own: c }; return own.own.KEY }
(c) => { const { KEY } = c; return KEY }
(c) => { const { KEY: own } = c; return own }
(c) => { const { ["KEY"]: own } = c; return own }
(c) => { const { request: { url, ...more }, KEY: { own } = {} } = c; return own }
(c) => { const { a = "{ b", KEY } = c; return KEY }
(c) => { const { ...own } = c; return own.KEY }
(c) => { const { request } = c, own = c; return own.KEY }
(c) => { let own; ({ KEY: own } = c); return own }
(c) => { let own, rest; rest = { request: own } = c; return rest.KEY }
(c) => { const { own } = c.KEY; return own }
(c) => { const { own } = c /* */ .KEY; return own }
(c) => { const { own } = (c)["KEY"]; return own }
(c) => { let a; [a] = [c]; return a.KEY }
(c) => { for (const { KEY } of [c]) return KEY }
(c) => { const own = () => c; return own().KEY }
(c) => { return { ...c }.KEY }
(c) => Object.assign({}, c).KEY
(c) => Object.values(c)
(c) => look(c)
(c) => look(1, { c })
(c) => look(...[c])
(c) => look${"`${c}`"}
(c) => [c].map(look)
(c) => (0, look)(c)
(c) => look?.call(null, c)
(c) => new Looking(c)
(c) => JSON.stringify(c)
(c) => { return [c][0].KEY }
(c) => { return (c ?? 0).KEY }
(c) => { "c.request"; const s = "=> ) return {"; return c.KEY }
(c) => { const xc = { c: 2 }; return xc.c && c.KEY }
(c) => ${"`${c.KEY}`"}
(c) => { const own = function () { return this.KEY }; return own.call(c) }
(c) => Reflect.get(c, "KEY")
(c) => c.looking()
(c) => c?.looking?.()
(c) => c["looking"]()
(c) => (c.looking)()
(c) => c.looking${"``"}
(c) => eval("c.KEY")
function (c) { return c.KEY }
function named({ request = {}, ...rest }) { return rest.KEY }
function () { return arguments[0].KEY }
function named(c) { return arguments[0].KEY }
function named(c, d) { return look.apply(this, arguments) }
function () { const own = () => arguments[0]; return own().KEY }
async c => c.KEY
async({ KEY })=>KEY
async $=>$.KEY
async function named({ KEY }) { return KEY }
function* named({ KEY }) { yield KEY }
async function*named(c) { yield c.KEY }
({ own(c) { return c.KEY } }).own
({ async own({ KEY }) { return KEY } }).own
({ async *own({ KEY }) { yield KEY } }).own
({ async({ KEY }) { return KEY } }).async
({ "own it"({ KEY }) { return KEY } })["own it"]
({ ["(" + ") =>"]({ KEY }) { return KEY } })["() =>"]
({ get own() { return (c) => c.KEY } }).own
new (class { own = ({ KEY }) => KEY })().own
new (class { #own(c) { return c.KEY } get own() { return this.#own } })().own
(class { static own(c) { return c.KEY } }).own
((fn) => (c) => fn(c))((c) => c.KEY)
((fn) => (...all) => fn(...all))((c) => c.KEY)
((fn) => function () { return fn.apply(this, arguments) })((c) => c.KEY)
((fn) => (c) => fn({ ...c, more: 1 }))((c) => c.KEY)
((fn) => ({ request, ...rest }) => fn(rest))((c) => c.KEY)
((fn) => fn.bind(null))((c) => c.KEY)
((fn) => new Proxy(fn, {}))((c) => c.KEY)
((key) => (c) => c[key])("KEY")
((key) => ({ status, [key]: own }) => own)("KEY")
Object.assign((c) => c.KEY, { toString: () => "() => 1" })
`;

/** What costs nothing: nothing is parsed for it that isn't looked at. */
const LEAN: Readonly<Record<string, readonly string[]>> = {
  "() => ({ a: 1 })": [],
  "({ params }) => params.id": [],
  "({ params: { id }, request: { headers }, status }) => status(404, id)": [],
  "({ body }) => body": ["body"],
  "async ({ body, set: { headers }, user }) => { headers.etag = user.id; return body }": ["body", "set"],
  "(context) => context.params.id": [],
  "(context) => context.status(404)": [],
  "$=>{const{params:e,query:{a:t}={}}=$;return e+t}": ["query"],
  "async (context) => { const { id } = context.params; context.set.status = 201; return id }": ["set"],
  "({ own(c) { return c.params.id } }).own": [],
};

const KEYS = ["query", "headers", "body", "cookie", "set", "server", "url", "route", "path"] as const;

const minifier = new Bun.Transpiler({ loader: "js", minifyWhitespace: true });

/** As it is written, and as it is minified. */
function evaluate(text: string): unknown[] {
  return [`(${text})`, minifier.transformSync(`own = (${text})`)].map(
    (code) => new Script(code).runInThisContext() as unknown,
  );
}

/** What a function finds out of its context, itself and by those that it calls. */
function readBy(fn: unknown): readonly string[] {
  const read = new Set<string>();
  const values = { request: {}, store: {}, status() {}, looking: look, user: {}, params: {}, about: 0 };
  const target = { ...values, ...Object.fromEntries(KEYS.map((key) => [key, {}])) };
  const context = new Proxy<object>(target, {
    get(_target, key) {
      read.add(String(key));
      return Reflect.get(target, key);
    },
  });
  try {
    const found = (fn as (context: object) => unknown)(context);
    if (typeof found === "object" && found !== null && "next" in found) (found as Iterator<unknown>).next();
  } catch {
    // What it does with it isn't of interest.
  }
  return KEYS.filter((key) => read.has(key));
}

function foundIn(handler: unknown): readonly string[] {
  const found = sucrose({ handler } as Parameters<typeof sucrose>[0]);
  return KEYS.filter((key) => found[key]);
}

/** Each with whether it is taken for one that may return a promise. */
function take(forms: string): [form: string, isLate: boolean][] {
  return forms
    .trim()
    .split("\n")
    .flatMap((form) => evaluate(form).map((fn): [string, boolean] => [form, isAsync(fn as never)]));
}

/** Takes its context as an argument, in an array, in an object, or as `this`. */
function look(this: unknown, ...all: unknown[]): void {
  const contexts = [
    this,
    ...all,
    ...all.flatMap((one) => (typeof one === "object" ? Object.values(one ?? {}) : [])),
  ];
  for (const one of contexts) for (const key of KEYS) Reflect.get(Object(one), key);
}

test("what a function looks at is found in its text, however it is written", () => {
  Object.assign(globalThis, { look, Looking: look });
  const wrong = LOOKING.trim()
    .split("\n")
    .flatMap((form) =>
      KEYS.flatMap((key) => evaluate(form.replaceAll("KEY", key)).map((fn) => ({ form, key, fn }))),
    )
    .map(({ form, key, fn }) => ({
      form,
      key,
      missed: readBy(fn).filter((read) => !foundIn(fn).includes(read)),
      isRead: readBy(fn).length > 0 || form.includes("async"),
    }))
    .filter(({ missed, isRead }) => missed.length > 0 || !isRead);
  expect(wrong).toEqual([]);
});

test("what a function doesn't look at isn't parsed for it", () => {
  for (const [form, keys] of Object.entries(LEAN)) {
    for (const fn of evaluate(form)) expect([form, foundIn(fn)]).toEqual([form, keys]);
  }
});

test("a hook is taken for one that returns at once only where its text shows it", () => {
  const late = String.raw`
(c) => later(c)
(c) => !c.user ? later(c) : undefined
(c) => c.user && later(c)
(c) => "a" && later(c)
(c) => typeof c === "a" || later(c)
(c) => (0, later(c))
(c) => [later(c)][0]
(c) => ({ a: later(c) }).a
(c) => ({ a: ")" }, later(c))
(c) => null ?? later(c)
(c) => new Later().run(c)
(c) => ${"`a`"} && later(c)
(c) => c.rows
(c) => -1 && later(c)
(c) => { if (c.user) return; return later(c) }
(c) => { if (!c.user) { return /* at once */ later(c) } }
(c) => { return { a: "}" }["a"] || later(c) }
(c) => { return { then: c.then } }
(c) => { return void 0, later(c) }
async (c) => {}
later.bind(null)
c=>later(c)
c=>{return!c?later(c):1}
`;
  const atOnce = String.raw`
(c) => {}
(c) => { c.set.status = 201 }
(c) => { if (!c.user) throw new Error("a"); }
(c) => { if (c.user) return; c.set.status = 401; return "no"; }
({ query }) => ({ a: find(query.a), b: [")", 1] })
({ query }) => { return { a: query.a }; }
() => null
c=>{if(c.user)return;return{a:1}}
`;
  Object.assign(globalThis, { later: () => {} });
  expect(take(late).filter(([, isLate]) => !isLate)).toEqual([]);
  expect(take(atOnce).filter(([, isLate]) => isLate)).toEqual([]);
});
