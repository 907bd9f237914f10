/**
 * Where the bundle starts. It is its own small file because code is only taken from the compile cache when the
 * cache is on before that code is loaded. `portable` keys the cache by relative paths: dist/ may be moved.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache({ directory: `${import.meta.dirname}/compile-cache`, portable: true });
await import('../src/cli/main.ts');
