// Preloaded into the emulator: its clock is off by so many milliseconds, and by an hour less with each SIGUSR2.
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
