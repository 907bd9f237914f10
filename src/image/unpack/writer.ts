/** The TypeScript side of the native writer thread (native/lib/unpack.c): batches in, files below `root` out. */
import { read } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { checkErrno, native } from '../../kernel/native.ts';
import { TsrunError } from '../../lib/errors.ts';
import { byteString, printable } from '../tar/bytes.ts';
import { UNPACK_OPS, UNPACK_RESULT } from './format.ts';

export class TreeWriter {
  readonly #handle: number;
  readonly #event: number;
  #full = false;
  #finished = false;

  /** `root`: an open descriptor of the directory to fill, which is duplicated. */
  constructor(root: number) {
    this.#handle = checkErrno(native().tsr_unpack_open(root), 'Starting the layer writer');
    this.#event = native().tsr_unpack_event(this.#handle);
  }

  /** Queues a copy of `batch`. Throws what went wrong in an earlier one. */
  submit(batch: Uint8Array): void {
    const result = native().tsr_unpack_submit(this.#handle, batch, batch.length);
    if (result < 0) this.#finish(result);
    if (result === 1) this.#full = true;
  }

  /** Waits while the queue is too full, so that memory stays bounded when the disk is slower than the stream. */
  async room(): Promise<void> {
    if (!this.#full) return;
    this.#full = false;
    await readEvent(this.#event);
  }

  /** Ends the stream and waits until every file is made and, with `sync`, on the disk. Throws the first failure. */
  async close(sync: boolean): Promise<void> {
    await this.room();
    checkErrno(native().tsr_unpack_close(this.#handle, sync ? 1 : 0), 'Closing the layer writer');
    await readEvent(this.#event);
    this.#finish(0);
  }

  /** Stops the thread after a failure elsewhere; does nothing after {@link close}. */
  abandon(): void {
    if (this.#finished) return;
    this.#finished = true;
    native().tsr_unpack_finish(this.#handle, Buffer.alloc(UNPACK_RESULT.size), UNPACK_RESULT.size);
  }

  #finish(seen: number): void {
    const report = Buffer.alloc(UNPACK_RESULT.size);
    this.#finished = true;
    const result = native().tsr_unpack_finish(this.#handle, report, report.length) || seen;
    if (result < 0) throw writeError(result, report);
  }
}

function readEvent(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    read(fd, Buffer.alloc(8), 0, 8, null, (error) => (error ? reject(error) : resolve()));
  });
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on the file system of the data root, or set TSRUN_ROOT to a directory on another one',
  EDQUOT: 'the disk quota of the data root is used up',
  EPERM: 'unpacking needs root, and a file system that takes device nodes and extended attributes',
  EOPNOTSUPP: 'the file system of the data root has no extended attributes; use ext4, xfs or btrfs',
};

function writeError(result: number, report: Buffer): TsrunError {
  const op = report.readUInt32LE(UNPACK_RESULT.op);
  const opName = Object.entries(UNPACK_OPS).find(([, code]) => code === op)?.[0] ?? 'layer';
  const step = text(report, UNPACK_RESULT.step);
  const path = printable(text(report, UNPACK_RESULT.path));
  const errno = getSystemErrorName(result);
  const hint = HINTS[errno];
  const code = errno === 'ENOSPC' ? 'IMAGE_NO_SPACE' : 'IMAGE_UNPACK_FAILED';
  return new TsrunError(
    code,
    `Cannot unpack the ${opName} ${path} of a layer: ${step} gave ${errno}`,
    hint ? { hint } : {},
  );
}

function text(report: Buffer, at: number) {
  return byteString(report, at, report.indexOf(0, at));
}
