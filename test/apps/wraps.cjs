// What cross-env, dotenv-cli and their like do: runs the command it is given, with one more variable.
const [command, ...args] = process.argv.slice(2);
require('node:child_process')
  .spawn(command, args, { stdio: 'inherit', env: { ...process.env, ADDED: 'a secret' } })
  .on('exit', (code) => process.exit(code ?? 1));
