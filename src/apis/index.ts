import type { App, Emulator } from '../http/context.ts';
import { registerPromptGenerator } from './prompt-generator.ts';
import { registerReversePrompt } from './reverse-prompt.ts';
import { registerSora2 } from './sora-2.ts';
import { registerVeo3 } from './veo-3.ts';

/** Every family that is served, one line each. */
export function registerApis(app: App, emulator: Emulator): void {
  registerSora2(app, emulator);
  registerVeo3(app, emulator);
  registerPromptGenerator(app, emulator);
  registerReversePrompt(app, emulator);
}
