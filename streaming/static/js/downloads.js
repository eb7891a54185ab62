// What was isolated in this take, as files.

import { $, clock, el, say } from "./dom.js";

const fileName = text => text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "sound";

export class Downloads {
  #studio;
  #times = new Map();
  #recorded = {};

  constructor(studio) {
    this.#studio = studio;
    studio.on("strips", ({ list }) => { if (list) this.#list(); });
    studio.on("measured", ({ recorded }) => this.#tell(recorded));
    this.#list();
  }

  get #tracks() {
    const names = new Map();
    return [...this.#studio.strips.targets, this.#studio.strips.residual].map(({ id, name }) => {
      const file = fileName(name), twin = names.get(file) ?? 0;
      names.set(file, twin + 1);
      return { id, title: name, file: twin ? `${file}-${twin + 1}` : file };
    });
  }

  #list() {
    const { strips } = this.#studio, row = (id, name, colour, label, save) => {
      const time = el("span", { class: "dim" }, "–"), button = el("button", { class: "btn", type: "button", "aria-label": label, disabled: true, onclick: save }, "Save");
      this.#times.set(id, { time, button });
      return el("li", { "data-track": id }, el("i", { class: "sw", css: { "--c": colour } }), name, time, button);
    };
    this.#times.clear();
    $("#dl").replaceChildren(
      ...strips.targets.map(({ id, name, slot }) => row(id, name, `var(--t${slot + 1})`, `Save ${name} as WAV`, () => this.#save([id], false))),
      row("residual", "residual", "var(--text-3)", "Save residual as WAV", () => this.#save(["residual"], false)),
      row("all", "everything", "transparent", "Save everything as ZIP", () => this.#save(null, true)),
    );
    this.#tell(this.#recorded);
  }

  #tell(recorded) {
    this.#recorded = recorded;
    const longest = Math.max(0, ...Object.values(recorded).map(({ seconds }) => seconds));
    $("#dl-sum").textContent = longest ? clock(longest) : "";
    for (const [id, { time, button }] of this.#times) {
      const seconds = id === "all" ? longest : recorded[id]?.seconds ?? 0;
      time.textContent = id === "all" ? "ZIP" : seconds ? clock(seconds) : "–";
      button.disabled = !seconds;
    }
  }

  async #save(ids, zip) {
    const tracks = this.#tracks.filter(({ id }) => !ids || ids.includes(id));
    const file = await this.#studio.save(tracks, `winnow-${new Date().toISOString().slice(0, 16).replace(/[T:]/g, "-")}.zip`, zip);
    if (!file) return say("There is nothing to save yet");
    const url = URL.createObjectURL(file.blob), link = el("a", { href: url, download: file.name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    say(`${file.name} saved`);
  }
}
