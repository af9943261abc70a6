//! The seccomp filter as a program of classic BPF: which calls wait for the supervisor, which go through.

use super::calls::{self, Abi, PATH_FLAG, Rule, TMPFILE_FLAG};

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    /// Operation.
    pub(super) code: u16,
    /// Instructions to skip when a test holds.
    pub(super) skip_if: u8,
    /// Instructions to skip when it does not.
    pub(super) skip_else: u8,
    /// Operand.
    pub(super) operand: u32,
}

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;

const NUMBER_OFFSET: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;

/// Where the low 32 bits of an argument lie in `struct seccomp_data` of a little-endian machine.
fn argument_offset(index: u8) -> u32 {
    16 + 8 * u32::from(index)
}

fn step(code: u16, operand: u32) -> Instruction {
    Instruction { code, skip_if: 0, skip_else: 0, operand }
}

fn test(code: u16, operand: u32, skip_if: u8, skip_else: u8) -> Instruction {
    Instruction { code, skip_if, skip_else, operand }
}

/// Returns what decides one number, once it is known to be that number; always ends in a return.
fn decide(abi: Abi, rule: Rule) -> Vec<Instruction> {
    let (allow, notify) = (step(RETURN, ALLOW), step(RETURN, NOTIFY));
    match rule {
        Rule::Always => vec![notify],
        Rule::OpenFlags(index) => vec![
            step(LOAD, argument_offset(index)),
            // A temporary file without a name has the folder bit too, and is one of ours.
            test(IF_ANY_BIT, TMPFILE_FLAG, 1, 0),
            test(IF_ANY_BIT, abi.directory_flag() | PATH_FLAG, 1, 0),
            notify,
            allow,
        ],
        Rule::AnyBit(index, bits) => {
            vec![step(LOAD, argument_offset(index)), test(IF_ANY_BIT, bits, 0, 1), notify, allow]
        }
        Rule::NoBit(index, bits) => {
            vec![step(LOAD, argument_offset(index)), test(IF_ANY_BIT, bits, 1, 0), notify, allow]
        }
        Rule::Equals(index, value) => {
            vec![step(LOAD, argument_offset(index)), test(IF_EQUAL, value, 0, 1), notify, allow]
        }
    }
}

/// Returns the filter for `abis`; calls of an architecture that is not among them go through.
///
/// Every number leads to a return without a look at the arguments unless its rule needs one, so that the
/// kernel's cache of constant answers lets untouched calls through at no cost.
pub(super) fn program(abis: &[Abi]) -> Vec<Instruction> {
    let mut program = vec![];
    let mut audits: Vec<u32> = abis.iter().map(|abi| abi.audit()).collect();
    audits.dedup();
    for audit in audits {
        let mut block = vec![step(LOAD, NUMBER_OFFSET)];
        for abi in abis.iter().filter(|abi| abi.audit() == audit) {
            for (number, _, rule) in calls::rules(*abi) {
                let decision = decide(*abi, rule);
                let skip = u8::try_from(decision.len()).expect("a decision has a handful of instructions");
                block.push(test(IF_EQUAL, number, 0, skip));
                block.extend(decision);
            }
        }
        block.push(step(RETURN, ALLOW));
        program.push(step(LOAD, ARCHITECTURE_OFFSET));
        program.push(test(IF_EQUAL, audit, 1, 0));
        program.push(step(JUMP, u32::try_from(block.len()).expect("a block has some hundred instructions")));
        program.extend(block);
    }
    program.push(step(RETURN, ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use super::super::calls::X32_BIT;
    use super::*;

    /// Runs the program as the kernel would, for `struct seccomp_data` as words.
    fn run(program: &[Instruction], audit: u32, number: u32, arguments: [u64; 6]) -> bool {
        let mut data = vec![number, audit, 0, 0];
        data.extend(arguments.iter().flat_map(|a| [*a as u32, (*a >> 32) as u32]));
        let (mut at, mut register) = (0, 0);
        loop {
            let Instruction { code, skip_if, skip_else, operand } = program[at];
            at += 1;
            let mut skip = |holds: bool| at += usize::from(if holds { skip_if } else { skip_else });
            match code {
                LOAD => register = data[operand as usize / 4],
                IF_EQUAL => skip(register == operand),
                IF_ANY_BIT => skip(register & operand != 0),
                JUMP => at += operand as usize,
                RETURN => return operand == NOTIFY,
                other => panic!("unknown instruction {other}"),
            }
        }
    }

    /// `stops` tells whether a call with these arguments waits.
    fn check(abis: &[Abi], abi: Abi, number: u32, arguments: [u64; 6], stops: bool) {
        let program = program(abis);
        assert_eq!(run(&program, abi.audit(), number, arguments), stops, "{abi:?} {number} {arguments:?}");
    }

    const X86: &[Abi] = &[Abi::X64, Abi::X32, Abi::I386];
    const ARM: &[Abi] = &[Abi::Aarch64, Abi::Arm];

    #[test]
    fn every_number_of_the_table_stops_and_its_neighbours_do_not() {
        for (abis, abi) in
            [(X86, Abi::X64), (X86, Abi::X32), (X86, Abi::I386), (ARM, Abi::Aarch64), (ARM, Abi::Arm)]
        {
            let program = program(abis);
            let bit = if abi == Abi::X32 { X32_BIT } else { 0 };
            for number in 0..600 {
                let number = number | bit;
                let rule = calls::rules(abi).find(|rule| rule.0 == number).map(|rule| rule.2);
                let arguments = match rule {
                    Some(Rule::AnyBit(..)) => [8; 6],
                    Some(Rule::Equals(_, value)) => [u64::from(value); 6],
                    _ => [0; 6],
                };
                assert_eq!(run(&program, abi.audit(), number, arguments), rule.is_some(), "{abi:?} {number}");
            }
        }
    }

    #[test]
    fn folders_and_mere_places_go_through_but_unnamed_files_stop() {
        check(X86, Abi::X64, 257, [0, 0, 0o200_000, 0, 0, 0], false);
        check(X86, Abi::X64, 257, [0, 0, 0o10_000_000, 0, 0, 0], false);
        check(X86, Abi::X64, 257, [0, 0, 0o20_200_001, 0, 0, 0], true);
        check(X86, Abi::X64, 2, [0, 0o1101, 0, 0, 0, 0], true);
        check(ARM, Abi::Aarch64, 56, [0, 0, 0o40_000, 0, 0, 0], false);
        check(ARM, Abi::Aarch64, 56, [0, 0, 0o200_000, 0, 0, 0], true);
        check(ARM, Abi::Arm, 5, [0, 0o40_000, 0, 0, 0, 0], false);
    }

    #[test]
    fn only_what_a_rule_names_stops() {
        check(X86, Abi::X64, 263, [0, 0, 0x200, 0, 0, 0], false);
        check(X86, Abi::X64, 317, [1, 1, 0, 0, 0, 0], false);
        check(X86, Abi::I386, 102, [1, 0, 0, 0, 0, 0], false);
        check(X86, Abi::I386, 102, [3, 0, 0, 0, 0, 0], true);
    }

    #[test]
    fn an_architecture_without_a_table_goes_through() {
        assert!(!run(&program(X86), Abi::Aarch64.audit(), 56, [0; 6]));
    }

    #[test]
    fn the_program_is_within_the_limit_of_the_kernel() {
        assert!(program(X86).len() < 4096);
    }
}
