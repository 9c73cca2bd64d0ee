// A module that dies: attaches to the process given (or looks into it) and ends (or stops) itself at the step given.

import { createAttacher } from '../../../module/attach/index.ts';
import { LOAD } from './load.ts';

const [pid, stateDir = '', guardScript = '', fatalStep, signal, verb = 'attach'] = process.argv.slice(2);
const attacher = createAttacher({
  stateDir,
  guardScript,
  log: console.error,
  onStep: (step) => {
    if (step !== fatalStep) return;
    process.stdout.write(`${step}\n`);
    process.kill(process.pid, signal as NodeJS.Signals);
    // Whatever comes, it does not go on.
    return new Promise(() => {});
  },
});
const work = verb === 'look' ? attacher.look(Number(pid)) : attacher.attach(Number(pid), LOAD);
work.then((outcome) => {
  console.log(JSON.stringify(outcome));
  return attacher.close();
});
