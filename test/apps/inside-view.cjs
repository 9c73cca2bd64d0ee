// An HTTP app that shows itself from inside: what is subscribed, listened to and waiting in this process.
const diagnostics = require('node:diagnostics_channel');
const http = require('node:http');

const CHANNELS = ['net.server.socket', 'http.server.request.start', 'http.server.response.finish'];
const held = [];

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  response.setHeader('x-pid', process.pid);
  if (pathname === '/inside') {
    response.end(
      JSON.stringify({
        pid: process.pid,
        subscribed: CHANNELS.filter((name) => diagnostics.channel(name).hasSubscribers),
        messageListeners: process.listenerCount('message'),
        timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length,
        globals: Object.keys(globalThis).sort(),
      }),
    );
  } else if (pathname === '/hold') {
    // Heap of the asked size, as small objects.
    const objects = Number(searchParams.get('objects'));
    for (let i = 0; i < objects; i++) held.push({ i, text: `object ${i}` });
    response.end(String(held.length));
  } else if (pathname === '/block') {
    const until = Date.now() + Number(searchParams.get('ms'));
    while (Date.now() < until);
    response.end('free again');
  } else if (pathname === '/slow') {
    setTimeout(() => response.end('slow'), Number(searchParams.get('ms')));
  } else {
    response.end(`pid ${process.pid}`);
  }
});
server.listen(Number(process.env.PORT));
