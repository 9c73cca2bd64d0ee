// Has a SIGUSR1 handler of its own, and a child. It answers with what the child has sent that it did not expect.
const { fork } = require('node:child_process');
const http = require('node:http');

if (process.argv[2] === 'child') {
  process.on('message', (question) => process.send({ answer: question }));
} else {
  process.on('SIGUSR1', () => console.log('OWN SIGUSR1 HANDLER CALLED'));
  const unexpected = [];
  const child = fork(__filename, ['child']);
  child.on('message', (message) => {
    if (message.answer !== 'ready?') unexpected.push(message);
    else http.createServer((_req, res) => res.end(JSON.stringify(unexpected))).listen(process.env.PORT);
  });
  child.send('ready?');
}
