"""The rule-based reading of contracts, on texts written here in the style of contracts. Nobody's contract is quoted."""

from __future__ import annotations

from datetime import date

import pytest

from vim_pipelines.lifecycle.contract_terms import FIELDS, PERPETUAL, Duration, Extracted, Renewal, extract_terms

OPENING = (
    'This Services Agreement (the "Agreement") is made and entered into as of March 1, 2019 (the "Effective Date") by and between Acme Inc. and Bolt LLC. '
)


def read(field: str, text: str) -> Extracted:
    return extract_terms(text)[field]


def days(count: int) -> Duration:
    return Duration(count, "day")


def months(count: int) -> Duration:
    return Duration(count, "month")


def years(count: int) -> Duration:
    return Duration(count, "year")


# -- the date of the agreement ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        ("THIS AGREEMENT is made this 5th day of May, 2005 by and between A Corp. and B Corp.", date(2005, 5, 5)),
        ("This Agreement, dated as of December 31, 1999, is between A Corp. and B Corp.", date(1999, 12, 31)),
        ("This Agreement is entered into on 31 October 2019 between A Corp. and B Corp.", date(2019, 10, 31)),
        ("This Agreement is dated the twenty-first day of June 2011 and made between A Corp. and B Corp.", date(2011, 6, 21)),
        ("Reseller Agreement, effective as of Sept. 3, 2014, between A Corp. and B Corp.", date(2014, 9, 3)),
        ("THIS AGREEMENT is made on the 14t h day of April , 2015 by A Corp. and B Corp.", date(2015, 4, 14)),
        ("MASTER AGREEMENT\n\nDated: 5/6/08\n\nbetween A Corp. and B Corp.", date(2008, 5, 6)),
        ("MASTER AGREEMENT\n\nDated: 2019-07-31\n\nbetween A Corp. and B Corp.", date(2019, 7, 31)),
        ("THIS AGREEMENT made in Toronto this first (1st) day of May, A.D. 2010 between A Corp. and B Corp.", date(2010, 5, 1)),
        ("This First Amendment is made as of May 5, 2010 to the Services Agreement dated June 1, 2008 between A Corp. and B Corp.", date(2010, 5, 5)),
        ("June 25, 2014\n\nB Corp.\n2 Main Street\n\nDear Mr. B: This letter sets out what we agree.", date(2014, 6, 25)),
        ('This Agreement is made as of the Effective Date by A Corp. and B Corp. "Effective Date" means December 5, 2014.', date(2014, 12, 5)),
    ],
)
def test_the_opening_says_when_the_agreement_was_made(opening, expected):
    answer = read("agreement_date", opening + " WHEREAS the parties wish to trade; they agree as follows.")
    assert (answer.status, answer.value) == ("found", expected)


@pytest.mark.parametrize(
    "blank",
    [
        "this ____ day of May, 2005",
        "as of [ ], 2020",
        "as of September __, 2018",
        "as of [●], 2020",
        "this ______ day of ________________, 2013",
        "as of ___/___/2020",
    ],
)
def test_a_blank_of_a_template_is_open_as_a_partial_date(blank):
    """A draft that somebody forgot to fill in was read as the date of the next paragraph."""
    answer = read(
        "agreement_date", f"This Agreement is made {blank} by and between A Corp. and B Corp. WHEREAS the lease of June 1, 2011 ended; now, therefore"
    )
    assert answer.status == "open"
    assert "partial date" in answer.reason


def test_the_date_of_another_agreement_is_not_this_ones():
    text = "WHEREAS, A Corp. and B Corp. entered into a Split Dollar Agreement, dated as of December 5, 1995. IN WITNESS WHEREOF, the parties have executed this Agreement as of this 4th day of April, 2003. By: A"
    assert read("agreement_date", text).value == date(2003, 4, 4)


def test_a_request_for_confidential_treatment_does_not_date_the_agreement():
    text = "Confidential treatment has been requested in an application dated May 3, 2001. This Agreement is made as of April 2, 2001 between A Corp. and B Corp. WHEREAS"
    assert read("agreement_date", text).value == date(2001, 4, 2)


def test_two_dates_in_the_opening_leave_it_open():
    answer = read("agreement_date", "This Agreement is made as of May 1, 2005. Executed on May 9, 2005 by and between A Corp. and B Corp. WHEREAS")
    assert answer.status == "open"
    assert "2005-05-01" in answer.reason and "2005-05-09" in answer.reason


def test_the_last_signature_dates_an_agreement_that_has_no_other_date():
    text = "This Agreement is between A Corp. and B Corp. They agree as follows. By: /s/ Ann Name: Ann Title: CEO Date: 3/3/2011 By: /s/ Bo Name: Bo Title: CFO Date: 3/7/2011"
    assert read("agreement_date", text).value == date(2011, 3, 7)


def test_a_filings_footer_is_no_date_of_the_contract():
    text = "This Agreement is between A Corp. and\n\n3\n\nSource: ACME CORP., 10-K, 2/20/2012\n\n\nB Corp. They agree as follows."
    assert read("agreement_date", text).status == "open"


# -- the day it takes effect -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('This Agreement dated January 28, 2005, effective as of October 15, 2004 ("Effective Date") is between A Corp. and B Corp.', date(2004, 10, 15)),
        ('This Agreement is dated May 5, 2001. "Effective Date" means 18 May 2000; the parties agree as follows.', date(2000, 5, 18)),
        ("This Agreement is dated May 5, 2001 between A and B. WHEREAS they agree. This Agreement shall become effective on June 1, 2001.", date(2001, 6, 1)),
        (
            "This Agreement is dated May 5, 2001 between A and B. WHEREAS they agree. This Agreement shall commence on the date first written above.",
            date(2001, 5, 5),
        ),
        ("EFFECTIVE DATE: November 01, 2016 SERVICE: FT", date(2016, 11, 1)),
        ('"Effective Date" shall mean the date of this Agreement. THIS AGREEMENT is made on 19 May 2010.', date(2010, 5, 19)),
    ],
)
def test_the_effective_date_as_defined_or_stated(text, expected):
    assert read("effective_date", text).value == expected


def test_the_effective_date_of_something_else_is_not_the_agreements():
    text = OPENING + 'Notice ends it on June 1, 2020 (the "Effective Date of Termination").'
    assert read("effective_date", text).value == date(2019, 3, 1)


def test_an_effective_date_that_is_an_event_is_open():
    text = 'This Agreement is dated May 5, 2001 between A and B. "Effective Date" means the day on which the Registration Statement is declared effective.'
    answer = read("effective_date", text)
    assert answer.status == "open" and "event" in answer.reason


def test_a_date_of_agreement_alone_is_no_effective_date():
    assert read("effective_date", "This Agreement is made as of May 1, 2005 between A Corp. and B Corp. WHEREAS").status == "open"


# -- the initial term and its end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "end", "term"),
    [
        ("The term of this Agreement shall commence on the Effective Date and shall continue for a period of three (3) years.", date(2022, 3, 1), years(3)),
        ("This Agreement shall remain in effect for an initial term of twelve (12) months from the Effective Date.", date(2020, 3, 1), months(12)),
        ("The initial term of this Agreement shall be one year, commencing on April 15, 2019.", date(2020, 4, 15), years(1)),
        ("The term of this Agreement is for five years and shall commence on July 1, 2019.", date(2024, 7, 1), years(5)),
        ("This Agreement commences on the date hereof and shall terminate on the tenth (10th) anniversary of such date.", date(2029, 3, 1), years(10)),
        ("The term of this Agreement shall continue until March 18. 2021, unless sooner terminated.", date(2021, 3, 18), None),
        ("This Agreement shall continue in full force and effect until December 31, 2023.", date(2023, 12, 31), None),
        ("The term of this Agreement shall begin on April 1, 2019 and end on March 31, 2021.", date(2021, 3, 31), None),
        ('The "Term" shall begin on the date hereof and shall expire on the fifth anniversary of the Effective Date.', date(2024, 3, 1), years(5)),
        (
            "The term of this Agreement shall commence on the Effective Date and, unless terminated earlier for breach, shall continue for thirty-six (36) months thereafter.",
            date(2022, 3, 1),
            months(36),
        ),
    ],
)
def test_the_end_of_the_initial_term(clause, end, term):
    answers = extract_terms(OPENING + "WHEREAS they agree as follows. 1. Services. Acme serves. 9. Term. " + clause)
    assert answers["expiration_date"].value == end
    if term:
        assert answers["term"].value == term
    assert answers["expiration_date"].quote is not None and clause[:30] in answers["expiration_date"].quote


def test_a_computed_end_says_so():
    answer = read("expiration_date", OPENING + "The term of this Agreement shall be two (2) years from the Effective Date.")
    assert answer.value == date(2021, 3, 1)
    assert answer.reason.startswith("computed: 2019-03-01 plus 2 years")


@pytest.mark.parametrize(
    "clause",
    [
        "This Agreement shall commence on the Effective Date and shall continue until terminated in accordance with Section 9.",
        "This Agreement begins on the Effective Date and shall continue indefinitely unless sooner terminated as provided herein.",
        "The term of this Agreement shall be perpetual.",
    ],
)
def test_a_term_without_an_end_is_perpetual_and_never_a_date(clause):
    answers = extract_terms(OPENING + "The parties agree as follows. " + clause)
    assert answers["expiration_date"].value is PERPETUAL
    assert answers["expiration_date"].value_text == "perpetual"


def test_two_clauses_that_disagree_leave_the_end_open():
    text = OPENING + "The term of this Agreement shall expire on June 30, 2021. 7. Duration. This Agreement shall continue in effect until December 31, 2021."
    answer = read("expiration_date", text)
    assert answer.status == "open" and "2021-06-30" in answer.reason and "2021-12-31" in answer.reason


def test_a_stated_end_that_contradicts_the_length_is_open():
    text = OPENING + "The term of this Agreement shall be for three (3) years commencing on the Effective Date and ending on February 28, 2021."
    assert read("expiration_date", text).status == "open"


def test_an_end_counted_from_an_event_is_open_but_the_length_is_known():
    answers = extract_terms(OPENING + 'The "Term" shall commence on the date of Commercial Launch and continue for two (2) years.')
    assert answers["expiration_date"].status == "open"
    assert answers["term"].value == years(2)


def test_a_redacted_end_is_open():
    answer = read("expiration_date", OPENING + "The term of this Agreement shall commence on the Effective Date and terminate on the [*****] day of [*****].")
    assert answer.status == "open"


def test_a_cure_period_is_no_term():
    text = OPENING + "This Agreement may be terminated by either party if the other is in breach and the breach continues for a period of thirty (30) days."
    answers = extract_terms(text)
    assert (answers["expiration_date"].status, answers["term"].status) == ("open", "open")


def test_word_and_figure_that_differ_are_open():
    assert read("term", OPENING + "The term of this Agreement shall be three (2) years from the Effective Date.").status == "open"


# -- renewal ---------------------------------------------------------------------------------------------------------------

EVERGREEN = (
    "This Agreement shall automatically renew for successive one-year periods unless either party gives the other written notice of non-renewal at least sixty "
    "(60) days prior to the end of the then-current term."
)


def test_an_evergreen_clause_gives_renewal_notice_and_automatism():
    answers = extract_terms(OPENING + "The initial term of this Agreement is two (2) years from the Effective Date. " + EVERGREEN)
    assert answers["renewal_term"].value == Renewal(years(1), is_successive=True)
    assert answers["notice_period"].value == days(60)
    assert answers["auto_renew"].value is True
    assert answers["expiration_date"].value == date(2021, 3, 1)
    assert answers["renewal_term"].value_text == "successive 1 year"


@pytest.mark.parametrize(
    ("clause", "renewal", "notice", "auto"),
    [
        ("Thereafter this Agreement shall renew from month to month.", Renewal(months(1), True), None, True),
        (
            "Thereafter, this Agreement shall continue from year to year unless terminated by either party upon ninety (90) days' prior written notice.",
            Renewal(years(1), True),
            days(90),
            True,
        ),
        (
            "The term of this Agreement may be extended for an additional two year period with the written consent of both parties.",
            Renewal(years(2), False),
            None,
            False,
        ),
        ("Customer shall have the option to renew this Agreement for one additional term of twelve (12) months.", Renewal(months(12), False), None, False),
        (
            "Upon expiration of the Initial Term, this Agreement will be automatically extended for additional one (1) year terms, unless either party notifies the other at least 6 months before the end of such term of its intention not to renew.",
            Renewal(years(1), True),
            months(6),
            True,
        ),
        (
            "The Agreement shall automatically renew for successive periods of one (1) year unless notice of non-renewal is given not less than 60 days nor more than 90 days prior to expiration.",
            Renewal(years(1), True),
            days(60),
            True,
        ),
    ],
)
def test_how_agreements_renew(clause, renewal, notice, auto):
    answers = extract_terms(OPENING + "The parties agree as follows. " + clause)
    assert answers["renewal_term"].value == renewal
    assert answers["notice_period"].value == notice
    assert answers["auto_renew"].value is auto


def test_a_redacted_renewal_is_open():
    answers = extract_terms(
        OPENING
        + "This Agreement shall automatically be renewed for additional periods of **** unless a party gives notice of non-renewal at least **** before."
    )
    assert answers["renewal_term"].status == "open" and answers["notice_period"].status == "open"
    assert answers["auto_renew"].value is True


def test_renewing_something_else_is_no_renewal():
    text = (
        OPENING
        + "Licensee shall renew the domain name registration for successive periods of two (2) years. The insurer gives thirty (30) days notice of cancellation, non-renewal or material change."
    )
    answers = extract_terms(text)
    assert answers["renewal_term"].status == "open" and answers["notice_period"].status == "open"


def test_two_lengths_of_renewal_leave_it_open():
    text = OPENING + EVERGREEN + " After the third renewal, this Agreement shall automatically renew for additional periods of six (6) months."
    assert read("renewal_term", text).status == "open"


@pytest.mark.parametrize(
    "clause",
    [
        "During the term of this Agreement and for a period of two (2) years thereafter, Bolt shall not compete.",
        "Bolt agrees that throughout the term of this Agreement and for one year thereafter it shall not solicit.",
        "The confidentiality obligations under this Agreement shall continue for five (5) years after termination.",
        "The license granted under this Agreement shall expire on June 1, 2020.",
        "The term of the Lease shall expire on June 1, 2020.",
        "The warranty period under this Agreement is 12 months from delivery.",
        "The payment term of this Agreement is 30 days.",
        "The Research Term of this Agreement shall be two years from the Effective Date.",
        "This Agreement shall be effective for all purchases made until December 31, 2020.",
        "This Agreement may be terminated by either party if the Closing does not occur on or before June 30, 2019.",
        "The parties may extend the cure period under this Agreement for an additional thirty (30) days.",
        "The Non-Compete Period under this Agreement shall be extended for an additional six months.",
        "Acme's obligation to deliver under this Agreement shall be extended for the period of the force majeure and an additional ten (10) days.",
        "If the tests fail, the parties shall extend the term of this Agreement by an additional four (4) months.",
        "Supplier shall give sixty (60) days notice of any price change prior to renewal of this Agreement.",
        "This Agreement shall terminate if a default under it exists and shall continue for ten (10) days.",
        "The term of this Agreement is set out in Schedule A. The term of each Order shall be one year from its date.",
    ],
)
def test_a_period_of_something_smaller_is_not_the_agreements(clause):
    """Every contract has a dozen periods; the first drafts of these rules took the covenant not to compete for the term."""
    answers = extract_terms(OPENING + "The parties agree as follows. " + clause)
    for field in ("expiration_date", "term", "renewal_term", "notice_period"):
        assert answers[field].status == "open", (field, answers[field])


@pytest.mark.parametrize(
    ("clause", "renewal"),
    [
        ("This Agreement shall be automatically renewed for a further period of two (2) years.", "2 years"),
        ("This Agreement will automatically renew for three (3) successive three-year periods.", "successive 3 years"),
        ("The Term shall automatically extend for additional consecutive terms of 30 days each.", "successive 30 days"),
        ("The Term shall automatically be extended by one year.", "1 year"),
        ("The Initial Term shall automatically be extended for an additional period of half a year.", "6 months"),
        ("The Agreement shall automatically renew annually.", "successive 1 year"),
        ("Licensee shall have the right to renew this Agreement for ten (10) additional one-year terms.", "successive 1 year"),
        ("This Agreement is for a period of three years and from year to year thereafter.", "successive 1 year"),
        (
            "The initial term of this Agreement is three years. This Agreement shall automatically renew for additional terms equal to the Initial Term.",
            "successive 3 years",
        ),
        ("Each Renewal Term shall be for a period of one year.", "successive 1 year"),
        ("This Agreement shall roll over for successive one month periods.", "successive 1 month"),
        (
            "At the end of the initial term, this Agreement shall remain in force for additional periods of thirty (30) days unless terminated.",
            "successive 30 days",
        ),
    ],
)
def test_the_many_words_for_renewing(clause, renewal):
    assert read("renewal_term", OPENING + "The parties agree as follows. " + clause).value_text == renewal


AUTOMATIC = "This Agreement shall automatically renew for successive one year terms"


@pytest.mark.parametrize(
    ("clause", "notice"),
    [
        (
            AUTOMATIC
            + " unless, not less than one hundred eighty (180) days before the end of the term, either party gives notice of its election not to renew.",
            days(180),
        ),
        (
            AUTOMATIC
            + ". Either party may prevent renewal by giving not less than three (3) months written notice prior to expiration of the then-current term.",
            months(3),
        ),
        (AUTOMATIC + " provided that neither party has given notice of termination at least six months before the expiry date.", months(6)),
        (AUTOMATIC + ". Notice of non-renewal must be received 60 days prior to the end of the term.", days(60)),
        (
            "Either party may terminate this Agreement for convenience on 30 days notice. "
            + AUTOMATIC
            + " unless notice is given 90 days before the end of the term.",
            days(90),
        ),
        (AUTOMATIC + " unless Customer gives thirty (30) days notice, or Vendor ninety (90) days notice, of non-renewal.", None),
        (AUTOMATIC + " unless either party delivers a notice of non-renewal at least ten (10) business days before expiry.", None),
        (AUTOMATIC + " unless it is terminated for breach upon thirty (30) days notice and failure to cure.", None),
    ],
)
def test_the_notice_is_the_one_that_stops_the_renewal(clause, notice):
    answers = extract_terms(OPENING + "The parties agree as follows. " + clause)
    assert answers["notice_period"].value == notice
    assert answers["auto_renew"].value is True


@pytest.mark.parametrize(
    ("clause", "auto"),
    [
        ("This Agreement shall not automatically renew.", False),
        ("Thereafter this Agreement shall be automatically renewable for additional terms of one year.", True),
        ("This Agreement may be renewed for further terms of one year by mutual written agreement.", False),
    ],
)
def test_whether_it_renews_by_itself(clause, auto):
    assert read("auto_renew", OPENING + "The parties agree as follows. " + clause).value is auto


# -- seats -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Licensor grants access for up to two hundred fifty (250) Named Users.", 250),
        ("Number of Seats: 1,200", 1200),
        ("The subscription is for 50 authorized users. Each additional 10 users cost $100.", 50),
    ],
)
def test_the_number_of_seats(text, expected):
    assert read("seats", OPENING + text).value == expected


@pytest.mark.parametrize("text", ["It covers 50 users. Appendix B grants 80 users.", "Users may print.", "Number of Users: ____", "for forty (50) named users"])
def test_seats_in_doubt_are_open(text):
    assert read("seats", OPENING + text).status == "open"


# -- the shape -------------------------------------------------------------------------------------------------------------


def test_every_field_is_answered_for_an_empty_text():
    answers = extract_terms("")
    assert tuple(answers) == FIELDS
    assert all(answer.status == "open" and answer.reason for answer in answers.values())


def test_lengths_are_compared_by_what_they_last():
    assert years(1).is_same_length(months(12)) and not months(1).is_same_length(days(30))
    assert months(1).after(date(2024, 1, 31)) == date(2024, 2, 29)
    assert str(days(1)) == "1 day" and str(Renewal(months(6), True)) == "successive 6 months"
