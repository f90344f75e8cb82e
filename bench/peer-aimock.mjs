// aimock with the two routes mounted, answered with constant JSON: argv has the directory that
// it is installed in, the port and the answers.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [directory, port, answers] = process.argv.slice(2);
const file = createRequire(`${directory}/package.json`).resolve('@copilotkit/aimock');
const { LLMock } = await import(pathToFileURL(file).href);
const bodies = JSON.parse(answers);

const mock = new LLMock({ port: Number(port), host: '127.0.0.1' });
mock.mount('/api', {
  async handleRequest(request, response, pathname) {
    const answer = bodies[`/api${pathname}`];
    if (!answer || request.method !== 'POST') return false;
    let text = '';
    for await (const chunk of request) text += chunk;
    JSON.parse(text);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    return true;
  },
});
await mock.start();
