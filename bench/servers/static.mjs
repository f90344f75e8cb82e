// The baseline for files: @fastify/static serving the fixture videos, and nothing else.
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import Fastify from 'fastify';

const app = Fastify();
app.register(fastifyStatic, { root: fileURLToPath(new URL('../../fixtures/videos', import.meta.url)) });

const url = await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`${JSON.stringify({ url })}\n`);
