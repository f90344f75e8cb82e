// aimock with two uses: its own jobs of BytePlus Ark, the API behind SeeDance, and the two routes of the bench mounted
// with constant responses. Arguments: the directory where it is installed, the port, and the constant responses.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [directory, port, responses] = process.argv.slice(2);
const file = createRequire(`${directory}/package.json`).resolve('@copilotkit/aimock');
const { LLMock } = await import(pathToFileURL(file).href);
const bodies = JSON.parse(responses);

// So many polls that no job ends during a run.
const progression = { pollsBeforeInProgress: 0, pollsBeforeCompleted: 1e12 };
const mock = new LLMock({ port: Number(port), host: '127.0.0.1', bytePlusVideo: progression });
mock.addFixture({
  match: { endpoint: 'video' },
  response: { json: { status: 'succeeded', content: { video_url: 'https://example.com/video.mp4' } } },
});
mock.mount('/api/sora-2', {
  async handleRequest(request, response, pathname) {
    const body = bodies[`/api/sora-2${pathname}`];
    if (!body || request.method !== 'POST') return false;
    let text = '';
    for await (const chunk of request) text += chunk;
    JSON.parse(text);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return true;
  },
});
await mock.start();
