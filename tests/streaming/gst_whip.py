"""A GStreamer publisher, run by the system's Python (python3-gi): webrtcbin, WHIP by hand, one line when done.

    /usr/bin/python3 gst_whip.py URL SECONDS [video]

It stops once three seconds of sound (and ten frames) came back, or after SECONDS, and prints JSON: the status of the
POST, and how many packets of sound and picture came back.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
webrtcbin name=peer bundle-policy=max-bundle
audiotestsrc is-live=true wave=sine freq=440 volume=0.3 ! audioconvert ! audioresample
  ! audio/x-raw,rate=48000,channels=2 ! opusenc frame-size=20 ! rtpopuspay pt=111
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""
VIDEO = """
videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=15/1 ! vp8enc deadline=1 keyframe-max-dist=15
  ! rtpvp8pay pt=96 ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
"""
ENOUGH_SOUND, ENOUGH_FRAMES = 150, 10


class Publisher:
    """One run."""

    def __init__(self, url: str, seconds: float, video: bool) -> None:
        self.url, self.seconds, self.video = url, seconds, video
        self.loop = GLib.MainLoop()
        self.result: dict[str, Any] = {"status": None, "sound": 0, "frames": 0, "state": ""}
        self.pipeline = Gst.parse_launch(PIPELINE + (VIDEO if video else ""))
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.negotiate)
        self.peer.connect("pad-added", self.on_pad)
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        self.peer.connect("notify::connection-state", self.on_state)
        self.posted = False

    def negotiate(self, peer: Any) -> None:
        """Make an offer."""
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise: Any) -> None:
        """It is made: gather."""
        promise.wait()
        reply = promise.get_reply()  # held: it owns the offer
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def on_gathering(self, peer: Any, _: Any) -> None:
        """All candidates are there: publish."""
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE and not self.posted:
            self.posted = True
            GLib.idle_add(self.post)

    def post(self) -> None:
        """Offer and answer."""
        description = self.peer.get_property("local-description")
        offer = description.sdp.as_text()
        request = urllib.request.Request(self.url, offer.encode(), {"Content-Type": "application/sdp"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                self.result["status"], text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            self.result.update(status=error.code, problem=error.read().decode(), offer=offer)
            self.loop.quit()
            return
        _, sdp = GstSdp.SDPMessage.new_from_text(text)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())

    def on_state(self, peer: Any, _: Any) -> None:
        """Note the last state."""
        self.result["state"] = peer.get_property("connection-state").value_nick

    def on_pad(self, peer: Any, pad: Any) -> None:
        """Something comes back."""
        if pad.direction == Gst.PadDirection.SRC:
            media = pad.get_current_caps().get_structure(0).get_string("media")
            sink = Gst.ElementFactory.make("fakesink")
            sink.set_property("async", False)
            self.pipeline.add(sink)
            sink.sync_state_with_parent()
            pad.link(sink.get_static_pad("sink"))
            pad.add_probe(Gst.PadProbeType.BUFFER, self.on_packet, "frames" if media == "video" else "sound")

    def on_packet(self, pad: Any, info: Any, name: str) -> Any:
        """A packet came back."""
        self.result[name] += 1
        if self.result["sound"] >= ENOUGH_SOUND and (not self.video or self.result["frames"] >= ENOUGH_FRAMES):
            self.loop.quit()
        return Gst.PadProbeReturn.OK

    def run(self) -> None:
        """Until enough came back, or time is up."""
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(int(self.seconds * 1000), self.loop.quit)
        self.loop.run()
        sys.stdout.write(json.dumps(self.result) + "\n")
        sys.stdout.flush()
        self.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    Gst.init(None)
    Publisher(sys.argv[1], float(sys.argv[2]), "video" in sys.argv[3:]).run()
