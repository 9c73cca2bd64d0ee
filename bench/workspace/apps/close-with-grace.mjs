// close-with-grace as its README has it ("Example with Fastify"); `delay` fits into kill_timeout. With RETURN_503=false
// Fastify goes on answering while it closes (https://fastify.dev/docs/latest/Reference/Server/#return503onclosing).
import closeWithGrace from 'close-with-grace';
import fastify from 'fastify';
import { answer, graceMs, port } from './hello.mjs';

const app = fastify({ return503OnClosing: process.env.RETURN_503 !== 'false' });
app.get('/', () => answer());

closeWithGrace({ delay: graceMs, logger: false }, async ({ err }) => {
  if (err) console.error(err);
  await app.close();
});

await app.listen({ port, host: '::' });
