// The baseline: a bare Fastify server with the emulator's routes and constant responses.
import Fastify from 'fastify';

const taskId = `task_${'0'.repeat(24)}`;
const app = Fastify();

app.post('/api/sora-2/generate', async () => ({
  success: true,
  status: 'processing',
  taskId,
  message: 'Video generation in progress',
}));

app.post('/api/sora-2/check-status', async () => ({
  success: true,
  status: 'processing',
  progress: 'generating',
  message: 'Video generation generating',
  taskId,
}));

const port = Number(process.argv[2] ?? 0);
const url = await app.listen({ port, host: '127.0.0.1' });
// The emulator's ready line has a `url` too, so the same code starts both.
process.stdout.write(`${JSON.stringify({ url })}\n`);
