// A link under which others hear a lane, where this server can do that.

import { $, el, say } from "./dom.js";
import { access } from "./server.js";
import { listenable } from "./whep.js";

export class ListenerLink {
  #studio;
  #tracks = [];
  #token = null;

  constructor(studio) {
    this.#studio = studio;
    studio.on("state", () => this.#look());
    studio.on("understood", () => this.#look());
    $("#share-track").addEventListener("change", () => this.#show());
    $("#copy").addEventListener("click", ({ target }) => this.#copy(target));
    $("#d-listen").addEventListener("toggle", () => { if ($("#d-listen").open) this.#mint(); });
  }

  get #available() { return this.#tracks.length > 0; }

  /** The server's answer decides: a server without listening has no link to offer. */
  async #look() {
    const { started, tracks } = this.#studio;
    this.#tracks = started && (this.#asked === started.session ? this.#can : await this.#ask(started, tracks)) ? tracks : [];
    $("#d-listen").hidden = $("#open-listen").hidden = !this.#available;
    if (!this.#available) return;
    const names = new Map(this.#studio.strips.all.map(({ id, name }) => [id, name])), chosen = $("#share-track").value;
    $("#share-track").replaceChildren(...tracks.map(({ index, name }) => el("option", { value: index }, names.get(name.replace(/\/target$/, "")) ?? name)));
    if ([...$("#share-track").options].some(({ value }) => value === chosen)) $("#share-track").value = chosen;
    this.#show();
  }

  #asked = null;
  #can = false;

  async #ask({ session }, tracks) {
    this.#asked = session;
    try { this.#can = await listenable(`/v1/whep/${session}/${tracks[0].index}`) && (await this.#mint() !== null || !access()); }
    catch { this.#can = false; }
    return this.#can;
  }

  /** Where keys are needed, a listener gets a token of their own, good for a beginning within ten minutes. */
  async #mint() {
    const given = access();
    if (!given) return null;
    const answer = await fetch(given.tokens, {
      method: "POST", headers: { authorization: `Key ${given.key}`, "content-type": "application/json" },
      body: JSON.stringify({ scopes: ["listen"], start_within_s: 600 }),
    });
    this.#token = answer.ok ? (await answer.json()).token : null;
    this.#show();
    return this.#token;
  }

  #show() {
    const { started } = this.#studio, select = $("#share-track");
    if (!started || !select.options.length) return;
    const about = new URLSearchParams({ session: started.session, track: select.value, name: select.selectedOptions[0].text });
    if (this.#token) about.set("token", this.#token);
    // After the # nothing is sent to any server, and nothing ends in its logs.
    $("#share").value = new URL(`/listen#${about}`, location.href).href;
  }

  async #copy(button) {
    try { await navigator.clipboard.writeText($("#share").value); }
    catch { $("#share").select(); document.execCommand("copy"); }
    button.textContent = "Copied";
    say("Link copied");
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }
}
