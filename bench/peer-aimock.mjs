// aimock with the two routes mounted and constant JSON responses. Arguments: the directory where it is installed, the
// port, and the responses.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [directory, port, responses] = process.argv.slice(2);
const file = createRequire(`${directory}/package.json`).resolve('@copilotkit/aimock');
const { LLMock } = await import(pathToFileURL(file).href);
const bodies = JSON.parse(responses);

const mock = new LLMock({ port: Number(port), host: '127.0.0.1' });
mock.mount('/api', {
  async handleRequest(request, response, pathname) {
    const body = bodies[`/api${pathname}`];
    if (!body || request.method !== 'POST') return false;
    let text = '';
    for await (const chunk of request) text += chunk;
    JSON.parse(text);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return true;
  },
});
await mock.start();
