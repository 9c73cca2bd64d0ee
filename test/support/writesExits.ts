// A program that writes exits until it is killed, and says which are written: node --import tsx writesExits.ts STATE_FOLDER
import { openExitStore } from '../../module/recorder/store.ts';
import { exitRecord } from './exits.ts';

const [, , folder = ''] = process.argv;
const store = openExitStore({ folder, maxBytes: 2 ** 26, log: console.error });

function write(at: number): void {
  store.put(exitRecord({ id: `exit-${at}`, at, stderr: ['x'.repeat(at % 900)] }));
  process.stdout.write(`${at}\n`, () => write(at + 1));
}
write(1);
