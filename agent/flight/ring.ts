// The ring file of this process (contract/figures.ts): the newest samples in a file of fixed size. What was written outlives the process,
// however it ends, because it is the kernel's from then on.
import { closeSync, constants, fstatSync, mkdirSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  FIGURES,
  FIGURES_BYTES,
  FIGURES_FOLDER,
  FIGURES_MAGIC,
  FIGURES_VERSION,
  type FigureSample,
  figuresName,
  HEAD_BYTES,
  HEAD_FIELDS,
  RING_SLOTS,
  SAMPLE_BYTES,
  SLOT_BYTES,
} from '../../contract/figures.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';

export interface Ring {
  /** Writes a sample in the place of the oldest one. @throws when the file cannot be written any more */
  put(sample: FigureSample): void;
  /** Closes the file and removes it. */
  remove(): void;
}

/** Makes the file, with all of its blocks: a disk that fills up later does not end the record. @throws when it cannot be made */
export function openRing(stateDir: string, pid: number, startTicks: number): Ring {
  const folder = join(stateDir, FIGURES_FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, figuresName(pid, startTicks));
  const fd = openRegularSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
  const own = fstatSync(fd);
  let next = 0;
  const slot = new DataView(new ArrayBuffer(SLOT_BYTES));
  try {
    writeAll(emptyRing(pid, startTicks), 0);
  } catch (error) {
    close();
    unlinkSync(file);
    throw error;
  }

  return {
    put(sample) {
      for (const [index, name] of FIGURES.entries()) slot.setFloat64(index * 8, sample[name], true);
      slot.setFloat64(SAMPLE_BYTES, sample.at, true);
      writeAll(slot, HEAD_BYTES + next * SLOT_BYTES);
      next = (next + 1) % RING_SLOTS;
    },
    remove() {
      close();
      try {
        unlinkSync(file);
      } catch {
        // It is gone already.
      }
    },
  };

  function writeAll(bytes: DataView, at: number): void {
    if (!isStillOurs()) throw new Error('the app has closed the file of its figures');
    const written = writeSync(fd, bytes, 0, bytes.byteLength, at);
    if (written !== bytes.byteLength) throw new Error('the disk is full');
  }

  /** An app that closes a descriptor twice may have closed ours, and have a file of its own under that number. */
  function isStillOurs(): boolean {
    try {
      const { dev, ino } = fstatSync(fd);
      return dev === own.dev && ino === own.ino;
    } catch {
      return false;
    }
  }

  function close(): void {
    if (isStillOurs()) closeSync(fd);
  }
}

function emptyRing(pid: number, startTicks: number): DataView {
  const bytes = new DataView(new ArrayBuffer(FIGURES_BYTES));
  const head: Record<(typeof HEAD_FIELDS)[number], number> = {
    magic: FIGURES_MAGIC,
    version: FIGURES_VERSION,
    slots: RING_SLOTS,
    fields: FIGURES.length,
    pid,
    startTicks,
  };
  for (const [index, name] of HEAD_FIELDS.entries()) bytes.setFloat64(index * 8, head[name], true);
  return bytes;
}
