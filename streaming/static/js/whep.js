// Listening over WebRTC: one POST with an offer, an answer, a track (WHEP, draft-ietf-wish-whep).

import { iceServers } from "./ice_servers.js";

const GATHER_MS = 1500;

/** Whether the server lets tracks be listened to at all: asked so, a session that has ended meanwhile is no error. */
export const listenable = async url => (await fetch(url, { method: "OPTIONS" })).ok;

/**
 * @param {string} url of the track
 * @param {string|null} token
 * @param {(state: string) => void} changed told the connection's state, and `over` when the server says goodbye
 * @returns {Promise<{stream: MediaStream, peer: RTCPeerConnection, stop: () => void}>}
 */
export async function listen(url, token, changed) {
  const peer = new RTCPeerConnection({ iceServers: await iceServers(url, bearer(token)) }), heard = new Promise(done => { peer.ontrack = ({ track, streams }) => done(streams[0] ?? new MediaStream([track])); });
  peer.onconnectionstatechange = () => changed(peer.connectionState);
  peer.addTransceiver("audio", { direction: "recvonly" });
  await peer.setLocalDescription(await peer.createOffer());
  await gathered(peer);
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp", ...bearer(token) }, body: peer.localDescription.sdp });
  if (!answer.ok) {
    peer.close();
    throw Object.assign(new Error(await reason(answer)), { status: answer.status });
  }
  const place = new URL(answer.headers.get("location"), url);
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  // It does so on the floor of DTLS; the connection above takes ten seconds to notice that nobody is there.
  const { transport } = peer.getTransceivers()[0].receiver;
  transport?.addEventListener("statechange", () => { if (transport.state === "closed") changed("over"); });
  const stop = () => { peer.close(); fetch(place, { method: "DELETE", headers: bearer(token), keepalive: true }).catch(() => {}); };
  return { stream: await heard, peer, stop };
}

const bearer = token => token ? { authorization: `Bearer ${token}` } : {};

/** The server takes no later candidates from us: all that are found soon go with the offer. */
function gathered(peer) {
  if (peer.iceGatheringState === "complete") return null;
  return new Promise(done => {
    peer.addEventListener("icegatheringstatechange", () => { if (peer.iceGatheringState === "complete") done(); });
    setTimeout(done, GATHER_MS);
  });
}

async function reason(answer) {
  try { const { detail, title } = await answer.json(); return detail ?? title ?? answer.statusText; }
  catch { return answer.statusText; }
}
