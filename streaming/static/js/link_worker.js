// The worker between the audio thread and the network: sound never passes the page's own thread, which may be busy.
//
// in:  commands of the page, chunks of the capture worklet
// out: tracks to the player and to the spectrograms; states, texts and measurements to the page; files

import { Recording } from "./recording.js";
import { SessionLink } from "./session_link.js";
import { WebSocketLink } from "./websocket_link.js";
import { zipFile } from "./zip.js";

const LONGEST_TAKE_S = 1800, MEASURE_EVERY_MS = 500, LAST_WORDS_MS = 6000;

const ports = {};
let url = "", format = null, origin = null, access = null, pass = null;
let recordings = new Map(), newest = 0;

const page = (is, what = {}) => postMessage({ is, ...what });

const session = new SessionLink(
  async (audio, resumes, on) => new WebSocketLink(url, audio, ["winnow.v1", ...await protocols(resumes)], on),
  (kind, what = {}) => {
    if (kind === "sound") return deliver(what);
    if (kind === "started" || kind === "resumed") ports.player.postMessage({ replayUntil: what.replayUntil });
    page(kind, { what });
  },
);

/**
 * Where the server wants a key: a token for each session, and the same one to resume it. The key itself never goes
 * into a socket.
 */
async function protocols(resumes) {
  if (!access) return [];
  if (resumes && pass) return [pass];
  const answer = await fetch(access.tokens, { method: "POST", headers: { authorization: `Key ${access.key}`, "content-type": "application/json" }, body: "{}" });
  if (!answer.ok) throw Object.assign(new Error("no token"), { code: answer.status === 401 ? 4401 : 1006 });
  pass = `token.${(await answer.json()).token}`;
  return [pass];
}

function deliver({ id, pts, samples, payload, flags }) {
  const entry = recordings.get(id) ?? new Recording(format, LONGEST_TAKE_S * format.sample_rate);
  recordings.set(id, entry);
  entry.add(pts, payload);
  ports.player.postMessage({ track: id, pts, samples });
  const copy = samples.slice();
  ports.draw.postMessage({ track: id, pts, samples: copy, channels: format.channels, flags }, [copy.buffer]);
}

function captured({ data: { pts, samples, channels } }) {
  origin ??= pts;
  newest = pts + samples.length / channels;
  session.feed(pts, samples);
}

/** The sound ended at `end`: told once all of it has come back, or nobody can expect it any more. */
async function finish({ end }) {
  const limit = performance.now() + LAST_WORDS_MS, here = condition => condition() || performance.now() > limit;
  const until = async condition => { while (!here(condition)) await new Promise(done => setTimeout(done, 20)); };
  await until(() => newest >= end);
  session.flush();
  await until(() => recordings.size > 0 && [...recordings.values()].every(track => track.end >= end));
  page("finished");
}

async function save({ request, tracks, name, zip }) {
  const files = tracks.filter(({ id }) => recordings.get(id)?.count).map(({ id, file, title }) => ({
    name: `${file}.wav`, blob: recordings.get(id).file(origin, `${title}, isolated by Winnow`),
  }));
  if (!files.length) return page("file", { request, blob: null });
  page("file", { request, name: zip ? name : files[0].name, blob: zip ? await zipFile(files) : files[0].blob });
}

const COMMANDS = {
  ports(given) {
    Object.assign(ports, given.ports);
    ports.capture.onmessage = captured;
  },
  begin(given) {
    url = given.url;
    access = given.access ?? null;
    if (JSON.stringify(format) !== JSON.stringify(given.start.audio)) COMMANDS.take();
    format = given.start.audio;
    session.begin(given.start);
  },
  update: given => { if (session.open) session.update(given.targets); },
  remove: given => { if (session.open) session.remove(given.ids); },
  retry: () => session.retry(),
  end: () => session.end(),
  take() { recordings = new Map(); origin = null; newest = 0; },
  drop: given => recordings.delete(given.id),
  finish,
  save,
};

onmessage = ({ data }) => COMMANDS[data.do](data);

setInterval(() => {
  if (!format) return;
  page("measured", {
    roundTrip: session.open ? session.roundTrip.summary(performance.now()) : null,
    recorded: Object.fromEntries([...recordings].map(([id, track]) => [id, { seconds: track.count / format.sample_rate, silenced: track.silenced / format.sample_rate }])),
  });
}, MEASURE_EVERY_MS);
