// An app with a helper that listens, too, or that can be debugged; HELPER is what the helper does, SERVES whether the app listens.
const { fork } = require('node:child_process');

if (process.argv[2] === 'helper') {
  if (process.env.HELPER === 'listens') require('node:http').createServer().listen(0, '127.0.0.1');
  process.on('disconnect', () => process.exit());
} else {
  fork(__filename, ['helper'], { execArgv: process.env.HELPER === 'inspected' ? ['--inspect=0'] : [] });
  if (process.env.SERVES) {
    require('node:http')
      .createServer((_request, response) => response.end(`pid ${process.pid}`))
      .listen(Number(process.env.PORT), '127.0.0.1');
  }
}
