// What goes into the page and what comes out of it, quantum by quantum of one worklet. Needs `bypass_csp`.
async seconds => {
    const code = `registerProcessor("both", class extends AudioWorkletProcessor {
        parts = [];
        constructor() {
            super();
            this.port.onmessage = () => { this.port.postMessage(this.parts); this.parts = null; };
        }
        process(inputs) {
            if (!this.parts) return false;
            const part = new Float32Array(256);
            for (const which of [0, 1]) if (inputs[which][0]) part.set(inputs[which][0], 128 * which);
            this.parts.push(part);
            return true;
        }
    });`;
    const { context, ends } = winnow.graph;
    globalThis.both ??= context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    await globalThis.both;
    const recorder = new AudioWorkletNode(context, "both", { numberOfInputs: 2, numberOfOutputs: 0 });
    ends.input.connect(recorder, 0, 0);
    ends.output.connect(recorder, 0, 1);
    await new Promise(done => setTimeout(done, 1000 * seconds));
    const parts = await new Promise(done => {
        recorder.port.onmessage = ({ data }) => done(data);
        recorder.port.postMessage("enough");
    });
    const track = which => {
        const samples = Float32Array.from(parts.flatMap(part => [...part.subarray(128 * which, 128 * which + 128)]));
        return btoa(Array.from(new Uint8Array(samples.buffer), byte => String.fromCharCode(byte)).join(""));
    };
    return [track(0), track(1)];
}
