/** Runs classic BPF over a struct seccomp_data, as the kernel would: linux/seccomp.h, linux/filter.h. */

export interface SeccompData {
  readonly nr: number;
  readonly arch: number;
  /** Up to six; missing ones are 0. */
  readonly args?: readonly bigint[];
}

export interface FilterRun {
  /** What the program returned, as an unsigned number. */
  readonly answer: number;
  /** How many instructions that took. */
  readonly executed: number;
}

const SECCOMP_DATA_BYTES = 64;

/** Throws when the program does what the kernel's verifier would refuse. */
export function runFilter(program: Buffer, data: SeccompData): FilterRun {
  const memory = encodeData(data);
  const words = new Uint32Array(program.buffer, program.byteOffset, program.length / 4);
  let accumulator = 0;
  let at = 0;
  for (let executed = 1; ; executed++) {
    const head = words[2 * at];
    const k = words[2 * at + 1];
    if (head === undefined || k === undefined) throw new Error(`ran past the end at ${at}`);
    const [code, jt, jf] = [head & 0xffff, (head >> 16) & 0xff, head >>> 24];
    const jump = (holds: boolean): number => (holds ? jt : jf);
    at += 1;
    switch (code) {
      case 0x20: // ld [k]
        if (k % 4 !== 0 || k >= SECCOMP_DATA_BYTES) throw new Error(`load at ${k}`);
        accumulator = memory.getUint32(k, true);
        break;
      case 0x54: // and #k
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05: // ja
        at += k;
        break;
      case 0x15:
        at += jump(accumulator === k);
        break;
      case 0x25:
        at += jump(accumulator > k);
        break;
      case 0x35:
        at += jump(accumulator >= k);
        break;
      case 0x45:
        at += jump((accumulator & k) !== 0);
        break;
      case 0x06: // ret #k
        return { answer: k, executed };
      default:
        throw new Error(`instruction ${at - 1} has the code 0x${code.toString(16)}`);
    }
  }
}

function encodeData({ nr, arch, args = [] }: SeccompData): DataView {
  const memory = new DataView(new ArrayBuffer(SECCOMP_DATA_BYTES));
  memory.setUint32(0, nr, true);
  memory.setUint32(4, arch, true);
  args.forEach((value, index) => {
    memory.setBigUint64(16 + 8 * index, value, true);
  });
  return memory;
}
