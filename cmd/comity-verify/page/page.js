"use strict";
// The page around comityVerify. Everything that comes out of a bundle is set as text, never as HTML.
(() => {
  const get = (id) => document.getElementById(id);
  const result = get("result"), state = get("state"), button = get("check");
  let bundle = null, anchors = [];

  // el makes an element; a child that is a string becomes text, and one that is null nothing.
  function el(name, attributes, ...children) {
    const e = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
    e.append(...children.flat(Infinity).filter((c) => c !== null));
    return e;
  }
  const code = (text) => el("code", { dir: "ltr" }, text);
  const plural = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

  // The times are UTC; beside them stands what the clock of this computer's place showed.
  function moment(text) {
    const at = new Date(text), utc = el("span", { class: "mono" }, text.replace("T", " ").replace("Z", " UTC"));
    if (at.getTimezoneOffset() === 0) return [utc];
    return [utc, el("span", { class: "quiet" }, ` · here ${at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" })}`)];
  }

  // The program is started once, when the page opens.
  let stopped;
  const ended = new Promise((_, refuse) => { stopped = refuse; });
  ended.catch(() => {});
  const ready = (async () => {
    const text = atob(comityProgram);
    const packed = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const program = await new Response(stream).arrayBuffer();
    const go = new Go();
    const { instance } = await WebAssembly.instantiate(program, go.importObject);
    go.run(instance).then(() => stopped(new Error("the checker has stopped")), stopped);
  })();
  ready.catch((e) => broken(e));

  function choose(file) {
    bundle = file;
    get("bundle-chosen").textContent = file ? `${file.name}, ${plural(file.size, "byte", "bytes")}` : "";
    button.disabled = !file;
    forget();
  }
  function hold(files) {
    anchors = files;
    get("anchors-chosen").textContent = files.map((f) => f.name).join(", ");
    get("no-anchors").hidden = files.length === 0;
    forget();
  }
  // An old result must not stand beside another choice.
  function forget() {
    result.hidden = true;
    result.replaceChildren();
    state.textContent = "";
  }

  get("bundle").addEventListener("change", (e) => choose(e.target.files[0] || null));
  get("anchors").addEventListener("change", (e) => hold([...e.target.files]));
  get("no-anchors").addEventListener("click", () => { get("anchors").value = ""; hold([]); });
  get("require-pq").addEventListener("change", forget);
  addEventListener("dragover", (e) => { e.preventDefault(); document.body.classList.add("over"); });
  addEventListener("dragleave", () => document.body.classList.remove("over"));
  addEventListener("drop", (e) => {
    e.preventDefault();
    document.body.classList.remove("over");
    if (button.dataset.busy) return;
    const files = [...e.dataTransfer.files];
    const anchor = (f) => f.name.endsWith(".json") || f.name === "policy";
    const held = files.filter(anchor), other = files.filter((f) => !anchor(f));
    // The field would still show the file before it.
    if (other.length > 0) { get("bundle").value = ""; choose(other[0]); }
    if (held.length > 0) { get("anchors").value = ""; hold(held); }
    if (other.length > 1) state.textContent = `One bundle at a time: this is ${other[0].name}.`;
  });

  button.addEventListener("click", async () => {
    forget();
    const fields = [button, get("bundle"), get("anchors"), get("no-anchors"), get("require-pq")];
    for (const f of fields) f.disabled = true;
    button.dataset.busy = "yes";
    state.textContent = "Checking…";
    try {
      await ready;
      const file = bundle, held = anchors;
      let shown = 0;
      const progress = (bytes) => {
        const percent = Math.floor((bytes / file.size) * 100);
        if (percent > shown) { shown = percent; state.textContent = `Checking… ${percent} %`; }
      };
      const work = comityVerify(file, held, { requirePQ: get("require-pq").checked, progress });
      show(JSON.parse(await Promise.race([work, ended])), file, held);
    } catch (e) {
      broken(e);
    } finally {
      for (const f of fields) f.disabled = false;
      delete button.dataset.busy;
    }
  });

  function reveal(kind, title, ...parts) {
    result.replaceChildren(el("div", { class: `banner ${kind}` }, el("h2", { id: "verdict" }, title), parts[0]), ...parts.slice(1).flat());
    result.hidden = false;
    state.textContent = "";
    result.focus();
    result.scrollIntoView({ block: "start" });
  }

  function broken(e) {
    reveal("bad", "Nothing was checked", el("p", {}, `The checker does not run here: ${e.message || e}. Reload the page, or try another browser; it needs WebAssembly and DecompressionStream.`));
  }

  function show(a, file, held) {
    result.dataset.exit = a.exit_code;
    result.dataset.json = a.json;
    if (a.wrong === "file") return reveal("bad", "Nothing was checked", el("p", {}, `A file cannot be read: ${a.error}. Choose it again.`));
    if (a.wrong === "anchors") return reveal("bad", "Nothing was checked", el("p", {}, "One of your anchors is not right: ", code(a.member), `: ${a.error}. What to do: ${a.advice}.`));
    if (a.unmet) return reveal("bad", "NOT ENOUGH: this bundle lacks what you ask for", el("p", {}, "In ", code(a.member), `: ${a.error}. What to do: ${a.advice}.`), checked(file, held));
    if (a.wrong === "bundle") return reveal("bad", "WRONG: do not believe this bundle", el("p", {}, "Something in it was altered, is missing, or is not by whom it says. It was found in ", code(a.member), `: ${a.error}. What to do: ${a.advice}.`), checked(file, held));
    const kind = { 0: "good", 4: "warn" }[a.exit_code] || "bad";
    reveal(kind, a.conclusion, el("p", {}, a.report.identities_checked ? "The records of both parties lead to the anchors that you hold." :
      `Until you hold anchors of both parties, whoever made the bundle may have made the keys in it, too. What to do: ${a.advice}.`), report(a, file, held));
  }

  // checked says of which files the page speaks, so that a print of it does too.
  function checked(file, held) {
    return el("dl", {}, el("dt", {}, "Bundle"), el("dd", {}, `${file.name}, ${plural(file.size, "byte", "bytes")}`),
      el("dt", {}, "Your anchors"), el("dd", {}, held.length ? held.map((f) => f.name).join(", ") : "none"));
  }

  function report(a, file, held) {
    const r = a.report;
    return [
      el("h2", {}, "What was sent"),
      r.test ? el("p", {}, el("strong", {}, "This was a test. It has no effect.")) : null,
      list([["Parcel", code(r.parcel)], ["From", code(r.from)], ["To", code(r.to)], ["Envelope made, as the sending node says", moment(r.created)],
        ["To be delivered by", moment(r.expires)], ["SHA-256 of the envelope", code(r.envelope_sha256)],
        ["Sealed bytes", `${plural(r.sealed.size, "byte", "bytes")}; ${r.sealed.included ? "in this bundle" : "not in this bundle"}`],
        ["SHA-256 of the sealed bytes", code(r.sealed.sha256)]]),
      el("h2", {}, "What happened"),
      el("ol", { class: "story" }, r.evidence.map((e) => evidence(e, r.identities_checked))),
      r.withdrawn ? el("p", {}, moment(r.withdrawn), " The sending authority signed that it takes the parcel back. Whether that came in time, the evidence tells.") : null,
      ...opened(r.opened),
      el("h2", {}, "What this does not prove"),
      el("ul", { id: "not-proven" }, r.not_proven.map((s) => el("li", {}, s))),
      el("h2", {}, "Whose keys"),
      el("p", {}, "These records say which keys belong to whom. Their twelve words, read over another channel, are how you know that a record is the state's own."),
      el("ul", {}, r.records.map((c) => el("li", {}, `Record ${c.sequence} of `, code(c.state), c.anchored ? ": leads to your anchor. " : ": no anchor of yours vouches for it. ",
        el("span", { class: "mono" }, c.words.join(" ")), el("br"), el("span", { class: "quiet" }, "SHA-256 ", code(c.sha256))))),
      el("h2", {}, "What was checked"),
      el("p", {}, `Every byte of the file, the cover sheet against the evidence, ${plural(r.members, "member", "members")}, ${plural(r.signatures, "signature", "signatures")}, ` +
        `${plural(r.proofs, "proof", "proofs")} of places in logs and ${plural(r.cosignatures, "cosignature", "cosignatures")}.`),
      checked(file, held),
      el("details", { class: "noprint" }, el("summary", {}, "The same as text"), el("pre", { id: "text" }, a.text)),
      el("p", { class: "tools noprint" }, tool("Save the report (JSON)", () => save(a.json, `report-${r.parcel}.json`, "application/json")), tool("Print", () => print())),
    ].filter((e) => e !== null);
  }

  function list(rows) {
    return el("dl", {}, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, ...[value].flat())]));
  }

  // Without anchors nothing is valid, only in agreement with itself.
  function evidence(e, trusted) {
    const kind = { valid: trusted ? "good" : "warn", contested: "warn" }[e.verdict] || "bad";
    const mark = e.verdict === "valid" && !trusted ? "consistent" : e.verdict;
    const rows = [["Stated time", moment(e.claimed)]];
    if (e.earliest) rows.push(["At the earliest", [...moment(e.earliest.time), `, by the word of the ${e.earliest.by}`]]);
    if (e.latest) rows.push(["At the latest", [...moment(e.latest.time), `, by the word of the ${e.latest.by}`]]);
    if (e.rests_on) rows.push(["Who vouches", e.rests_on]);
    if (e.why) rows.push(["Compromised keys", e.why]);
    if (e.reason) rows.push(["Reason", [code(e.reason.code), " ", el("q", {}, el("bdi", {}, e.reason.text))]]);
    rows.push(["Signed by", [code(e.issuer.name), ` (${{ node: "as a node", act: "by a person", attest: "unattended" }[e.issuer.role] || e.issuer.role})`]]);
    return el("li", {}, el("h3", {}, e.says, el("span", { class: `mark ${kind}` }, mark)), el("p", { class: "quiet" }, `It does not say ${e.does_not_say}.`), list(rows),
      el("details", {}, el("summary", {}, "Digest, key and places in logs"), list([["Evidence", code(e.event)], ["SHA-256", code(e.sha256)], ["Key", code(e.issuer.key)],
        ["Under record", [`${e.record.sequence} of `, code(e.record.state)]]]), el("ul", {}, e.logs.map(log))));
  }

  function log(l) {
    return el("li", {}, `Entry ${l.leaf} of the log `, code(l.origin), `, which had ${plural(l.size, "entry", "entries")} on `, ...moment(l.time), "; root ", code(l.root), l.compromised ? [". The keys of this log are marked compromised since ", ...moment(l.compromised.since), ", announced on ", ...moment(l.compromised.announced)] : null,
      l.cosignatures.length ? el("ul", {}, l.cosignatures.map((c) => el("li", {}, "cosigned by ", code(c.node), ", ", ...moment(c.time),
        c.compromised ? [`: it counts for nothing (${c.verdict}), because the keys of this witness are marked compromised since `, ...moment(c.compromised.since), ", announced on ", ...moment(c.compromised.announced)] :
        c.party ? " (a party: it counts for nobody but itself)" : c.anchored ? " (a third party)" : " (a third party without an anchor of yours)"))) : null);
  }

  function opened(o) {
    if (!o) return [];
    if (o.broken) return [el("h2", {}, "What is inside"), el("p", {}, `The disclosed key shows that the parcel is broken inside, as the recipient's office signed: ${o.broken}`)];
    return [el("h2", {}, "What is inside"), el("p", {}, "The bundle discloses the key of this one parcel, and it opens."),
      list([["Kind", code(o.kind)], ["Case", code(o.case)], ["Signed", moment(o.created)], ["By the act key", code(o.signer)], ["Approved by further persons", String(o.approvals)]]),
      el("ul", {}, o.files.map((f) => el("li", {}, el("bdi", {}, f.name), `, ${plural(f.size, "byte", "bytes")}`, el("br"), el("span", { class: "quiet" }, "SHA-256 ", code(f.sha256)))))];
  }

  function tool(name, act) {
    const b = el("button", { type: "button", class: "second" }, name);
    b.addEventListener("click", act);
    return b;
  }

  // What is folded away on the screen belongs on paper.
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll(".story details")) d.open = true; });

  function save(text, name, type) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }
})();
