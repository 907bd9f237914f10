/** A file system of its own for each round: ext4 is many times slower where many files were removed just before. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** ext4 in a sparse file in `directory`, mounted at `target` as long as `work` runs. */
export async function withFreshFileSystem(
  directory: string,
  target: string,
  sizeBytes: number,
  work: () => void | Promise<void>,
): Promise<void> {
  const image = join(directory, 'file-system');
  execFileSync('truncate', ['--size', '0', image]);
  execFileSync('truncate', ['--size', `${sizeBytes}`, image]);
  execFileSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  execFileSync('mount', ['-o', 'loop', image, target]);
  try {
    await work();
  } finally {
    execFileSync('umount', [target]);
  }
}
