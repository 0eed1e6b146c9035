/* SPDX-License-Identifier: GPL-2.0 */
/* The destination: takes orders on standard input, answers on standard output. */
#ifndef RECEIVE_H
#define RECEIVE_H

int receive_run(void);

#endif /* RECEIVE_H */
