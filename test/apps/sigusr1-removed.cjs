// An app that had a SIGUSR1 handler for a moment: after its removal nothing of Node's is left for that signal.
const http = require('node:http');

const handler = () => console.log('OWN SIGUSR1 HANDLER CALLED');
process.on('SIGUSR1', handler);
process.off('SIGUSR1', handler);
http.createServer((_req, res) => res.end(`pid ${process.pid}\n`)).listen(process.env.PORT);
