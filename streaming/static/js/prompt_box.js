// "Keep": chips for the targets, a combobox for what is to come, and one line that says how it is understood.

import { $, el, icon, say } from "./dom.js";
import { understand } from "./server.js";
import { MOST_TARGETS } from "./strips.js";
import { phrases } from "./vocabulary.js";

const ASK_AFTER_MS = 120;

export class PromptBox {
  #studio;
  #input = $("#prompt");
  #list = $("#list");
  #field = $("#field");
  #options = [];
  #active = -1;
  #timer = 0;
  #asking = null;

  constructor(studio) {
    this.#studio = studio;
    studio.on("strips", ({ list }) => { if (list) this.#chips(); });
    studio.on("understood", () => this.#heard());
    studio.on("vocabulary", () => this.#heard());
    studio.on("refused", refused => this.#refused(refused));
    studio.on("added", ({ name, reading }) => say(`${name} added, understood as ${meaning(reading)}`));
    studio.on("removed", ({ name }) => say(`${name} removed`));
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("blur", () => this.#open(false));
    this.#input.addEventListener("keydown", event => this.#key(event));
    $("#ask").addEventListener("submit", event => { event.preventDefault(); this.#submit(); });
    this.#field.addEventListener("pointerdown", event => { if (event.target === this.#field) { event.preventDefault(); this.#input.focus(); } });
    this.#chips();
  }

  #chips() {
    const { targets } = this.#studio.strips;
    $("#chips").replaceChildren(...targets.map(({ id, name, slot }) => el("li", { class: "chip", css: { "--c": `var(--t${slot + 1})` } }, el("i"), el("span", { class: "what", title: name }, name),
      el("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => { this.#studio.remove(id); this.#input.focus(); } }, icon("x")))));
    this.#input.placeholder = targets.length ? "add another" : "name a sound";
    this.#heard();
  }

  // --- what is typed ----------------------------------------------------------------------------------------

  #typed() {
    const { strips, vocabulary } = this.#studio, last = this.#input.value.split(/[,;+]|\band\b|&/i).pop();
    this.#options = vocabulary.suggest(last, new Set(strips.targets.map(({ name }) => name)));
    this.#active = -1;
    this.#list.replaceChildren(...this.#options.map((option, at) => this.#option(option, at, last.trim().toLowerCase())));
    this.#open(this.#options.length > 0);
    this.#unmark();
    clearTimeout(this.#timer);
    if (!this.#input.value.trim()) return this.#heard();
    this.#timer = setTimeout(() => this.#ask(), ASK_AFTER_MS);
  }

  #option({ label, status, improvement }, at, typed) {
    const from = label.indexOf(typed), text = from < 0 ? [label] : [label.slice(0, from), el("mark", {}, typed), label.slice(from + typed.length)];
    const told = status === "experimental" ? "tried without a promise" : improvement === null ? "" : `+${improvement.toFixed(1)} dB on held-out recordings`;
    return el("li", { role: "option", id: `option-${at}`, "aria-selected": "false", onpointerdown: event => { event.preventDefault(); this.#choose(at); } }, el("span", {}, ...text), el("span", {}, told));
  }

  /** The server says what it would understand; the newest question wins. */
  async #ask() {
    this.#asking?.abort();
    const { signal } = this.#asking = new AbortController(), typed = phrases(this.#input.value);
    try {
      const readings = await Promise.all(typed.map(phrase => understand(phrase, signal)));
      if (!signal.aborted && this.#input.value.trim()) $("#heard").replaceChildren(el("span", { class: "k" }, "Understood as"), ...readings.map(reading => el("span", { class: "u" }, reading.unknown ? `${reading.prompt} …` : meaning(reading, reading.prompt))));
    } catch { /* Asked again with the next letter, and judged by the server when it is sent. */ }
  }

  #open(on) {
    this.#list.hidden = !on;
    this.#input.setAttribute("aria-expanded", on);
    if (on && this.#active >= 0) this.#input.setAttribute("aria-activedescendant", `option-${this.#active}`);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.#options.length) {
      event.preventDefault();
      this.#active = this.#active < 0 ? step > 0 ? 0 : this.#options.length - 1 : (this.#active + step + this.#options.length) % this.#options.length;
      [...this.#list.children].forEach((node, at) => node.setAttribute("aria-selected", at === this.#active));
      this.#list.children[this.#active].scrollIntoView({ block: "nearest" });
      this.#open(true);
    } else if (event.key === "Escape") this.#escape();
    else if (event.key === "Backspace" && !this.#input.value && this.#studio.strips.targets.length) this.#studio.remove(this.#studio.strips.targets.at(-1).id);
  }

  #escape() {
    if (!this.#list.hidden) return this.#open(false);
    this.#input.value = "";
    this.#unmark();
    this.#heard();
    this.#input.blur();
  }

  // --- what is asked for ------------------------------------------------------------------------------------

  #choose(at) {
    const before = phrases(this.#input.value).slice(0, -1);
    this.#send([...before, this.#options[at].label].join(", "));
  }

  #submit() {
    if (!this.#list.hidden && this.#active >= 0) return this.#choose(this.#active);
    if (this.#input.value.trim()) this.#send(this.#input.value);
  }

  async #send(text) {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#open(false);
    this.#input.value = "";
    this.#unmark();
    const refused = await this.#studio.ask(text);
    if (refused && !this.#input.value) this.#input.value = refused;
    this.#input.focus();
  }

  // --- how it is understood ---------------------------------------------------------------------------------

  #unmark() {
    this.#field.classList.remove("refused");
    this.#input.removeAttribute("aria-invalid");
  }

  #heard() {
    if (this.#input.value.trim() || this.#field.classList.contains("refused")) return;
    const { strips: { targets }, vocabulary } = this.#studio, box = $("#heard");
    if (targets.length) {
      return box.replaceChildren(el("span", { class: "k" }, "Understood as"), ...targets.map(({ slot, reading }) => el("span", { class: "u", css: { "--c": `var(--t${slot + 1})` }, title: reading.caution ?? "" },
        el("i", { class: "sw" }), meaning(reading), el("span", { class: "dim" }, sureness(reading)), reading.caution ? el("span", { class: "caution" }, "no promise") : null)));
    }
    const some = vocabulary.advertised.slice(0, 5).map(({ label }) => label);
    box.replaceChildren(...(some.length ? [el("span", { class: "k" }, `${vocabulary.known.length} sounds are known. Try`), ...some.map(label => this.#offer(label))] : []));
  }

  #offer(label) { return el("button", { type: "button", class: "btn", onclick: () => this.#send(label) }, label); }

  #refused({ prompt, full, noRoom, suggestions = [] }) {
    const words = full ? `${MOST_TARGETS} targets are the most at a time. Remove one to add “${prompt}”.`
      : noRoom ? `The server has no room for “${prompt}” now. Remove another target, or try again later.`
        : `“${prompt}” is not a sound this model knows.${suggestions.length ? " Nearest:" : ""}`;
    this.#field.classList.add("refused");
    this.#input.setAttribute("aria-invalid", "true");
    $("#heard").replaceChildren(el("span", { class: "no" }, words), el("span", { class: "near" }, ...suggestions.map(label => this.#offer(label))));
    say(`${words} ${suggestions.join(", ")}`);
  }
}

function meaning({ understood, everything_but: but }, said = "") {
  const labels = understood.map(({ label }) => label).join(" + ") || "nothing";
  const text = but ? understood.length ? `everything but ${labels}` : "everything" : labels;
  return said && said !== text ? `${said} → ${text}` : text;
}

const sureness = ({ understood }) => understood.length ? Math.min(...understood.map(({ score }) => score)).toFixed(2) : "";
