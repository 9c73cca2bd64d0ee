// A plain HTTP service that uses signal-exit, as so many libraries do: it tidies up and leaves the decision to others.
const http = require('node:http');
const onExit = require('../workspace/node_modules/signal-exit');

onExit(() => console.log('TIDIED UP'));
http
  .createServer((request, response) => {
    const { searchParams } = new URL(request.url, 'http://app');
    if (searchParams.has('received')) response.writeProcessing();
    setTimeout(() => response.end(`pid ${process.pid}\n`), Number(searchParams.get('ms') ?? 0));
  })
  .listen(process.env.PORT);
