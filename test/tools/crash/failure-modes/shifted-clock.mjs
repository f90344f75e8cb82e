// Preloaded into the emulator: shifts its clock by CRASH_CLOCK_SHIFT_MS, and back by another hour with each SIGUSR2.
const real = Date.now;
let shiftMs = Number(process.env.CRASH_CLOCK_SHIFT_MS);

// A bound function looks like one of Node's own. The emulator looks for the real clock behind other functions, because
// those are fakes of tests.
Date.now = (() => real() + shiftMs).bind(null);
globalThis.Date = class extends Date {
  constructor(...parts) {
    if (parts.length === 0) super(real() + shiftMs);
    else super(...parts);
  }
};
process.on('SIGUSR2', () => {
  shiftMs -= 3_600_000;
});
