// What the apps in this folder have in common: a server whose requests also make garbage, as any app's do.
const { createServer } = require('node:http');

exports.serve = (handle) => {
  createServer((req, res) => {
    const work = Array.from({ length: 200 }, (_, i) => ({ i, text: `${req.url}-${i}` }));
    Promise.resolve(handle(req)).then((size) => {
      res.setHeader('x-pid', process.pid);
      res.end(JSON.stringify({ size, work: work.length }));
    });
  }).listen(process.env.PORT, process.env.HOST ?? '127.0.0.1');
};
