// The part of `node:stream/promises` that the agent uses; the build replaces the module by this file.
import * as stream from 'node:stream';

/** Resolves when all data has passed through the streams. */
export function pipeline(...streams: NodeJS.ReadWriteStream[]): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.pipeline(streams, (error) => (error ? reject(error) : resolve()));
  });
}
