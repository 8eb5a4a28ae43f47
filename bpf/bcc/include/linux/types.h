/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What bcc's own helpers need of the kernel's headers where there are none: with BTF the kernel describes its structs
 * itself, and all that is left are names for integers.
 */
#ifndef TCPWATCH_TYPES_H
#define TCPWATCH_TYPES_H

typedef signed char __s8, s8, int8_t;
typedef short __s16, s16, int16_t;
typedef int __s32, s32, int32_t;
typedef long long __s64, s64, int64_t;
typedef unsigned char __u8, u8, uint8_t;
typedef unsigned short __u16, u16, uint16_t, __be16, __le16, __sum16;
typedef unsigned int __u32, u32, uint32_t, __be32, __le32, __wsum;
typedef unsigned long long __u64, u64, uint64_t, __be64, __le64;
typedef __u64 __aligned_u64 __attribute__((aligned(8)));
#define __aligned_u64 __aligned_u64
typedef unsigned long size_t, uintptr_t;
typedef long ssize_t;
typedef int pid_t;
typedef unsigned int uid_t, gid_t;
typedef _Bool bool;
enum { false, true };
#define NULL ((void *)0)

#endif
