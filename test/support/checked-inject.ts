import type { InjectOptions } from 'fastify';
import { pino } from 'pino';
import { readCommand } from '../../src/cli/arguments.ts';
import type { Core } from '../../src/core/core.ts';
import type { App } from '../../src/http/context.ts';
import { toLocalPath } from '../../src/http/urls.ts';
import { openEmulator } from '../../src/server/emulator.ts';
import { createAnswerCheck } from './contract.ts';

type Check = ReturnType<typeof createAnswerCheck>;

/** Shared by all emulators of a test file: of their documents, only URLs and prices depend on the settings. */
let checks: Promise<Check[]> | undefined;

const DOCUMENTS = ['/openapi.json', '/__admin/openapi.json'];

/** Loads the documents from a separate emulator. */
async function openChecks(): Promise<Check[]> {
  const { app, close } = await openEmulator(readCommand([], {}).config, pino({ level: 'silent' }));
  const documents = await Promise.all(DOCUMENTS.map((url) => app.inject({ url })));
  await close();
  return documents.map((document) => createAnswerCheck(document.json()));
}

/** Whether the response may be an injected fault, which is not in the documents. The control plane has none. */
const mayInjectFault = ({ url, headers = {}, payload }: InjectOptions, core: Core) =>
  !String(url).startsWith('/__admin') &&
  (!core.faults.isEmpty() || 'x-emulator-fault' in headers || /@emulator\(/.test(String(payload)));

/** Checks every response to an injected request against the OpenAPI documents from now on. */
export function checkInjectedResponses(app: App, core: Core): void {
  const inject = app.inject.bind(app) as (options: InjectOptions) => ReturnType<App['inject']>;
  const checked = async (options: InjectOptions) => {
    checks ??= openChecks();
    const hadFaults = mayInjectFault(options, core);
    const response = await inject(options);
    if (hadFaults) return response;
    for (const check of await checks) {
      check({
        method: options.method ?? 'GET',
        path: toLocalPath(options.headers?.host as string | undefined, String(options.url)),
        requestText: String(options.payload ?? ''),
        status: response.statusCode,
        contentType: String(response.headers['content-type'] ?? ''),
        payload: response.payload,
      });
    }
    return response;
  };
  Object.assign(app, { inject: checked });
}
