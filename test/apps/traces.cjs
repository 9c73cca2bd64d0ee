// A service that shows on `/traces` what others have put into its process: listeners, subscribers, replaced functions.
const channels = require('node:diagnostics_channel');
const cluster = require('node:cluster');
const http = require('node:http');
const net = require('node:net');

const before = { close: net.Server.prototype.close, listen: net.Server.prototype.listen, emit: process.emit };
const WATCHED = [
  'net.server.socket',
  'http.server.request.start',
  'http.server.response.finish',
  'tracing:net.server.listen:asyncStart',
  'tracing:net.server.listen:asyncEnd',
];

http
  .createServer((req, res) => {
    if (req.url !== '/traces') return res.end(`pid ${process.pid}\n`);
    res.end(
      JSON.stringify({
        subscribed: WATCHED.filter((name) => channels.hasSubscribers(name)),
        signals: ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'].filter((signal) => process.listenerCount(signal) > 0),
        exits: process.listenerCount('exit') + process.listenerCount('beforeExit'),
        replaced: [
          ...Object.keys(before).filter(
            (name) => ({ ...net.Server.prototype, emit: process.emit })[name] !== before[name],
          ),
        ],
        timers:
          process.getActiveResourcesInfo().filter((type) => type === 'Timeout' || type === 'Immediate').length > 1,
        worker: cluster.isWorker,
      }),
    );
  })
  .listen(process.env.PORT);
