/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#define CONFIG_BPF_SYSCALL 1
