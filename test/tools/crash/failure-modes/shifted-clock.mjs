// Preloaded into the emulator: shifts its clock by CRASH_CLOCK_SHIFT_MS, and back by another hour with each SIGUSR2.
const real = Date.now;
let shiftMs = Number(process.env.CRASH_CLOCK_SHIFT_MS);

Date.now = () => real() + shiftMs;
globalThis.Date = class extends Date {
  constructor(...parts) {
    if (parts.length === 0) super(real() + shiftMs);
    else super(...parts);
  }
};
process.on('SIGUSR2', () => {
  shiftMs -= 3_600_000;
});
