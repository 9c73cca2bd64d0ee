// Every answer comes from a child process, after 200 ms.
const { fork } = require('node:child_process');

if (process.argv[2] === 'child') {
  process.on('message', ({ id }) => setTimeout(() => process.send({ id }), 200));
} else {
  const waiting = new Map();
  let ids = 0;
  const child = fork(__filename, ['child']);
  child.on('message', ({ id }) => {
    waiting.get(id)?.(200);
    waiting.delete(id);
  });
  child.on('exit', () => {
    for (const end of waiting.values()) end(500);
    waiting.clear();
  });
  require('node:http')
    .createServer((_req, res) => {
      const id = ++ids;
      waiting.set(id, (status) => {
        res.statusCode = status;
        res.end(`pid ${process.pid}`);
      });
      if (child.connected) child.send({ id });
      else waiting.get(id)(503);
    })
    .listen(process.env.PORT, '127.0.0.1');
}
