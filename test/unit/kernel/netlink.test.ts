import { expect, test } from 'vitest';
import { AF_INET } from '../../../src/kernel/constants.ts';
import {
  type AttributeValue,
  decodeAttributes,
  decodeReplies,
  describeMessage,
  encodeRequest,
  type NetlinkMessage,
  NLM_F_ACK,
} from '../../../src/kernel/netlink.ts';
import { newAddress, newBridge, newVeth } from '../../../src/kernel/rtnetlink.ts';

const ADDRESS = { family: AF_INET, bytes: Uint8Array.of(10, 0, 0, 1), text: '10.0.0.1' } as const;

function message(value: AttributeValue): NetlinkMessage {
  const attributes = [{ name: 'A', type: 5, value }];
  return { name: 'M', type: 7, flags: NLM_F_ACK, header: Buffer.alloc(4), attributes, byHand: [] };
}

test('a message is nlmsghdr, the fixed part and attributes, each padded to four bytes', () => {
  const { bytes } = encodeRequest([message({ text: 'ab' })]);
  // length, type, NLM_F_REQUEST|NLM_F_ACK, sequence 1, port 0 | header | nla_len 7, nla_type 5, "ab\0", padding
  expect(bytes.toString('hex')).toBe(
    '1c000000070005000100000000000000' + '00000000' + '07000500' + '61620000',
  );
});

test('values take the byte order that the kernel wants', () => {
  const encoded = (value: AttributeValue) => encodeRequest([message(value)]).bytes.toString('hex', 24);
  expect(encoded({ u8: 1 })).toBe('01000000');
  expect(encoded({ u16: 1 })).toBe('01000000');
  expect(encoded({ u32: 0x01020304 })).toBe('04030201');
  expect(encoded({ be16: 80 })).toBe('00500000');
  expect(encoded({ be32: 0x01020304 })).toBe('01020304');
  expect(encoded({ be64: 5 })).toBe('0000000000000005');
});

test('a nested attribute says so, and its length covers what is in it', () => {
  const { bytes } = encodeRequest([message({ nested: [{ name: 'B', type: 1, value: { u8: 9 } }] })]);
  expect(bytes.toString('hex', 20)).toBe('0c000580' + '05000100' + '09000000');
});

test('the place of a descriptor is found in the encoded bytes, and there is one at most', () => {
  const { bytes, fd } = encodeRequest([message({ u8: 1 }), message({ fd: 'netns' })]);
  expect(fd).toEqual({ at: bytes.length - 4, name: 'netns' });
  expect(() => encodeRequest([message({ fd: 'a' }), message({ fd: 'b' })])).toThrow('one descriptor');
});

test('a request longer than the first buffer keeps all its bytes', () => {
  const many = Array.from({ length: 500 }, () => message({ text: 'x'.repeat(100) }));
  const { bytes } = encodeRequest(many);
  expect(decodeReplies(bytes).length).toBe(500);
  expect(bytes.readUInt32LE(bytes.length - bytes.readUInt32LE(0) + 8)).toBe(500);
});

test('an answer that is cut off, or lies about its lengths, ends the reading', () => {
  const { bytes } = encodeRequest([message({ u32: 1 }), message({ u32: 2 })]);
  expect(decodeReplies(bytes.subarray(0, bytes.length - 1)).length).toBe(1);
  expect(decodeAttributes(Buffer.from('ffff0100aa', 'hex')).size).toBe(0);
  expect(decodeAttributes(Buffer.from('0000010000', 'hex')).size).toBe(0);
});

test('messages are described by the names of the kernel', () => {
  expect(describeMessage(newBridge({ name: 'br', index: 7, mtu: 1400 }))).toBe(
    'RTM_NEWLINK NLM_F_EXCL ifi_index=7 ifi_flags=IFF_UP IFLA_IFNAME="br" IFLA_MTU=1400 IFLA_LINKINFO={IFLA_INFO_KIND="bridge"}',
  );
  expect(describeMessage(newAddress({ name: 'br', index: 7 }, ADDRESS, 24))).toBe(
    'RTM_NEWADDR NLM_F_EXCL ifa_index=7 ifa_prefixlen=24 IFA_LOCAL=10.0.0.1 IFA_ADDRESS=10.0.0.1',
  );
  const veth = newVeth(
    { name: 'v', index: 8, master: 7, masterName: 'br' },
    { name: 'eth0', index: 9, netns: 'netns' },
  );
  expect(describeMessage(veth)).toContain(
    'IFLA_INFO_DATA={VETH_INFO_PEER={IFLA_IFNAME="eth0" IFLA_NET_NS_FD=netns}}',
  );
});
