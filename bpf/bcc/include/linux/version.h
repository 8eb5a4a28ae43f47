/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * bcc's helpers ask for a version; ours ask the kernel what it has. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 8, 0)
