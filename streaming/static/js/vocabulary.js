// What the running model can be asked for, as the server tells it, and which of it fits what is being typed.

import { models } from "./server.js";

const NO_SPLIT = /\b(but|except|without|everything|all|not|no|minus|remove|other)\b/i;

export class Vocabulary {
  known = [];
  running = null;

  async load() {
    const told = await models();
    const entry = status => label => ({ label, status, improvement: told.improvement_db?.[label] ?? null });
    this.known = [...told.advertised.map(entry("advertised")), ...told.experimental.map(entry("experimental"))];
    this.running = { ...told.models.find(model => model.name === told.running), provider: told.provider };
    return this;
  }

  get advertised() { return this.known.filter(({ status }) => status === "advertised"); }
  get experimental() { return this.known.filter(({ status }) => status === "experimental"); }

  /** Up to six known sounds for the beginning of a word: those that begin with it, then those with a word that does. */
  suggest(typed, taken) {
    const start = typed.trim().toLowerCase();
    if (!start) return [];
    const rank = ({ label }) => label === start ? 0 : label.startsWith(start) ? 1 : label.split(" ").some(word => word.startsWith(start)) ? 2 : label.includes(start) ? 3 : 9;
    return this.known.filter(entry => rank(entry) < 9 && !taken.has(entry.label))
      .sort((a, b) => rank(a) - rank(b) || (a.status > b.status) - (a.status < b.status)).slice(0, 6);
  }
}

/** "man speaking, dog and rain" → three prompts; what keeps or removes by words stays one. */
export const phrases = text => text.split(/[,;+]/).flatMap(part => NO_SPLIT.test(part) ? [part] : part.split(/\band\b|&/i)).map(part => part.trim()).filter(Boolean);
