/* illdump: what libyaz reads in ILL APDUs, as JSON.
 *
 * A peer that shares no line with the gateway, to judge what the gateway sends. Standard input is a row of messages, each a length of
 * four octets (big-endian) and that many octets of BER. For every message one line is written and flushed at once:
 *
 *     {"reading": {"u": {"Cancel": {...}}}}
 *     {"error": {"code": 4, "where": 27, "message": "...", "path": ["Cancel", ...], "element": "...", "offset": 89}}
 *
 * Octets after the APDU are an error with code 0: libyaz itself would not mind them. The form of a reading is in
 * tests/corpus/README.md. The exit status is 0 at the end of the input, 2 when the input is cut short or memory runs out; libyaz may
 * crash on constructed character strings, and the line of that message is missing then.
 *
 * There is one function for each type of ISO-10161-ILL-1, in the order of the headers of libyaz; names are those of <yaz/ill-core.h>,
 * so that the compiler checks every one of them.
 */

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaz/ill.h>
#include <yaz/odr.h>

/* ---- Writing JSON ---- */

/* Whether the next value is the first of its object or array, and takes no comma. */
static int first = 1;

static void separate(void)
{
    if (!first)
        putchar(',');
    first = 0;
}

static void begin(char bracket)
{
    putchar(bracket);
    first = 1;
}

static void end(char bracket)
{
    putchar(bracket);
    first = 0;
}

/* Octet n becomes the character U+00nn: libyaz does not know the character set, and neither do we. */
static void dump_text(const char *text)
{
    putchar('"');
    for (const unsigned char *octet = (const unsigned char *) text; *octet; octet++) {
        if (*octet >= 0x20 && *octet < 0x7f && *octet != '"' && *octet != '\\')
            putchar(*octet);
        else
            printf("\\u%04x", *octet);
    }
    putchar('"');
}

static void key(const char *name)
{
    separate();
    dump_text(name);
    putchar(':');
}

static void dump_integer(const Odr_int *value)
{
    printf("%lld", (long long) *value);
}

static void dump_boolean(const Odr_bool *value)
{
    fputs(*value ? "true" : "false", stdout);
}

static void dump_null(const Odr_null *value)
{
    (void) value;
    fputs("null", stdout);
}

static void dump_oid(const Odr_oid *arcs)
{
    putchar('"');
    for (int i = 0; arcs[i] >= 0; i++)
        printf("%s%d", i ? "." : "", (int) arcs[i]);
    putchar('"');
}

static void dump_hex(const char *kind, const char *octets, int length)
{
    begin('{');
    key(kind);
    putchar('"');
    for (int i = 0; i < length; i++)
        printf("%02x", (unsigned char) octets[i]);
    putchar('"');
    end('}');
}

static void dump_any(const Odr_any *value)
{
    dump_hex("any", value->buf, value->len);
}

static void dump_octets(const Odr_oct *value)
{
    dump_hex("octets", value->buf, value->len);
}

static void dump_bits(const Odr_bitmask *value)
{
    /* `top` is the index of the last octet, -1 when there is none. */
    dump_hex("bits", value->bits, value->top + 1);
}

/* ---- The parts of a structure. `v` is the value that a function dumps, `type` the rest of the name of a dump function. ---- */

#define DUMP(type) static void dump_##type(const ILL_##type *v)

/* A component; nothing when it is absent. */
#define MEMBER(type, name) \
    do { \
        if (v->name) { \
            key(#name); \
            dump_##type(v->name); \
        } \
    } while (0)

#define ARRAY(type, count, elements) \
    do { \
        begin('['); \
        for (int i = 0; i < (count); i++) { \
            separate(); \
            dump_##type((elements)[i]); \
        } \
        end(']'); \
    } while (0)

/* A component that is a SEQUENCE OF; nothing when it is absent. */
#define LIST(type, name) \
    do { \
        if (v->name) { \
            key(#name); \
            ARRAY(type, v->num_##name, v->name); \
        } \
    } while (0)

/* The body of a named type that is a SEQUENCE OF. */
#define ELEMENTS(type) \
    do { \
        begin('{'); \
        key("elements"); \
        ARRAY(type, v->num, v->elements); \
        end('}'); \
    } while (0)

/* One alternative of a CHOICE, inside `switch (v->which)`. In an absent choice `which` may be what libyaz tried last; the pointer is
 * null then, because main() has all memory cleared. */
#define ALTERNATIVE(constant, type, name) \
    case constant: \
        if (v->u.name) { \
            key("u"); \
            begin('{'); \
            key(#name); \
            dump_##type(v->u.name); \
            end('}'); \
        } \
        break

/* What all APDUs begin with. */
#define HEADING() \
    do { \
        MEMBER(integer, protocol_version_num); \
        MEMBER(Transaction_Id, transaction_id); \
        MEMBER(Service_Date_Time, service_date_time); \
        MEMBER(System_Id, requester_id); \
        MEMBER(System_Id, responder_id); \
    } while (0)

static void dump_external(const Odr_external *v)
{
    begin('{');
    MEMBER(oid, direct_reference);
    MEMBER(integer, indirect_reference);
    MEMBER(text, descriptor);
    switch (v->which) {
    case ODR_EXTERNAL_single:
        key("single_ASN1_type");
        dump_any(v->u.single_ASN1_type);
        break;
    case ODR_EXTERNAL_octet:
        key("octet_aligned");
        dump_octets(v->u.octet_aligned);
        break;
    case ODR_EXTERNAL_arbitrary:
        key("arbitrary");
        dump_bits(v->u.arbitrary);
        break;
    }
    end('}');
}

/* ---- Types that others are made of ---- */

DUMP(String)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_String_GeneralString, text, GeneralString);
        ALTERNATIVE(ILL_String_EDIFACTString, text, EDIFACTString);
    }
    end('}');
}

DUMP(Person_Or_Institution_Symbol)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_Person_Or_Institution_Symbol_person_symbol, String, person_symbol);
        ALTERNATIVE(ILL_Person_Or_Institution_Symbol_institution_symbol, String, institution_symbol);
    }
    end('}');
}

DUMP(Name_Of_Person_Or_Institution)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_Name_Of_Person_Or_Institution_name_of_person, String, name_of_person);
        ALTERNATIVE(ILL_Name_Of_Person_Or_Institution_name_of_institution, String, name_of_institution);
    }
    end('}');
}

DUMP(System_Id)
{
    begin('{');
    MEMBER(Person_Or_Institution_Symbol, person_or_institution_symbol);
    MEMBER(Name_Of_Person_Or_Institution, name_of_person_or_institution);
    end('}');
}

DUMP(System_Address)
{
    begin('{');
    MEMBER(String, telecom_service_identifier);
    MEMBER(String, telecom_service_address);
    end('}');
}

DUMP(Transaction_Id)
{
    begin('{');
    MEMBER(System_Id, initial_requester_id);
    MEMBER(String, transaction_group_qualifier);
    MEMBER(String, transaction_qualifier);
    MEMBER(String, sub_transaction_qualifier);
    end('}');
}

DUMP(Service_Date_this)
{
    begin('{');
    MEMBER(text, date);
    MEMBER(text, time);
    end('}');
}

DUMP(Service_Date_original)
{
    begin('{');
    MEMBER(text, date);
    MEMBER(text, time);
    end('}');
}

DUMP(Service_Date_Time)
{
    begin('{');
    MEMBER(Service_Date_this, date_time_of_this_service);
    MEMBER(Service_Date_original, date_time_of_original_service);
    end('}');
}

DUMP(Extension)
{
    begin('{');
    MEMBER(integer, identifier);
    MEMBER(boolean, critical);
    MEMBER(any, item);
    end('}');
}

DUMP(Supplemental_Item_Description)
{
    ELEMENTS(external);
}

DUMP(Already_Tried_List_Type)
{
    ELEMENTS(System_Id);
}

DUMP(Amount)
{
    begin('{');
    MEMBER(text, currency_code);
    MEMBER(text, monetary_value);
    end('}');
}

DUMP(Client_Id)
{
    begin('{');
    MEMBER(String, client_name);
    MEMBER(String, client_status);
    MEMBER(String, client_identifier);
    end('}');
}

DUMP(Date_Due)
{
    begin('{');
    MEMBER(text, date_due_field);
    MEMBER(boolean, renewable);
    end('}');
}

DUMP(Postal_Address)
{
    begin('{');
    MEMBER(Name_Of_Person_Or_Institution, name_of_person_or_institution);
    MEMBER(String, extended_postal_delivery_address);
    MEMBER(String, street_and_number);
    MEMBER(String, post_office_box);
    MEMBER(String, city);
    MEMBER(String, region);
    MEMBER(String, country);
    MEMBER(String, postal_code);
    end('}');
}

DUMP(Delivery_Address)
{
    begin('{');
    MEMBER(Postal_Address, postal_address);
    MEMBER(System_Address, electronic_address);
    end('}');
}

DUMP(Electronic_Delivery_Service_0)
{
    begin('{');
    MEMBER(oid, e_delivery_mode);
    MEMBER(any, e_delivery_parameters);
    end('}');
}

DUMP(Electronic_Delivery_Service_1)
{
    begin('{');
    MEMBER(oid, document_type_id);
    MEMBER(any, document_type_parameters);
    end('}');
}

DUMP(Electronic_Delivery_Service)
{
    begin('{');
    MEMBER(Electronic_Delivery_Service_0, e_delivery_service);
    MEMBER(Electronic_Delivery_Service_1, document_type);
    MEMBER(String, e_delivery_description);
    switch (v->which) {
        ALTERNATIVE(ILL_Electronic_Delivery_Service_e_delivery_address, System_Address, e_delivery_address);
        ALTERNATIVE(ILL_Electronic_Delivery_Service_e_delivery_id, System_Id, e_delivery_id);
    }
    MEMBER(String, name_or_code);
    MEMBER(text, delivery_time);
    end('}');
}

DUMP(Delivery_ServiceElectronic_delivery)
{
    ELEMENTS(Electronic_Delivery_Service);
}

DUMP(Delivery_Service)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_Delivery_Service_physical_delivery, String, physical_delivery);
        ALTERNATIVE(ILL_Delivery_Service_electronic_delivery, Delivery_ServiceElectronic_delivery, electronic_delivery);
    }
    end('}');
}

DUMP(Location_Info)
{
    begin('{');
    MEMBER(System_Id, location_id);
    MEMBER(System_Address, location_address);
    MEMBER(String, location_note);
    end('}');
}

DUMP(Send_To_List_Type_s)
{
    begin('{');
    MEMBER(System_Id, system_id);
    MEMBER(String, account_number);
    MEMBER(System_Address, system_address);
    end('}');
}

DUMP(Send_To_List_Type)
{
    ELEMENTS(Send_To_List_Type_s);
}

/* ---- Components of ILL-Request ---- */

DUMP(Requester_Optional_Messages_Type)
{
    begin('{');
    MEMBER(boolean, can_send_RECEIVED);
    MEMBER(boolean, can_send_RETURNED);
    MEMBER(integer, requester_SHIPPED);
    MEMBER(integer, requester_CHECKED_IN);
    end('}');
}

DUMP(Search_Type)
{
    begin('{');
    MEMBER(String, level_of_service);
    MEMBER(text, need_before_date);
    MEMBER(integer, expiry_flag);
    MEMBER(text, expiry_date);
    end('}');
}

DUMP(Supply_Medium_Info_Type)
{
    begin('{');
    MEMBER(integer, supply_medium_type);
    MEMBER(String, medium_characteristics);
    end('}');
}

DUMP(Item_Id)
{
    begin('{');
    MEMBER(integer, item_type);
    MEMBER(integer, held_medium_type);
    MEMBER(String, call_number);
    MEMBER(String, author);
    MEMBER(String, title);
    MEMBER(String, sub_title);
    MEMBER(String, sponsoring_body);
    MEMBER(String, place_of_publication);
    MEMBER(String, publisher);
    MEMBER(String, series_title_number);
    MEMBER(String, volume_issue);
    MEMBER(String, edition);
    MEMBER(String, publication_date);
    MEMBER(String, publication_date_of_component);
    MEMBER(String, author_of_article);
    MEMBER(String, title_of_article);
    MEMBER(String, pagination);
    MEMBER(external, national_bibliography_no);
    MEMBER(String, iSBN);
    MEMBER(String, iSSN);
    MEMBER(external, system_no);
    MEMBER(String, additional_no_letters);
    MEMBER(String, verification_reference_source);
    end('}');
}

DUMP(Cost_Info_Type)
{
    begin('{');
    MEMBER(String, account_number);
    MEMBER(Amount, maximum_cost);
    MEMBER(boolean, reciprocal_agreement);
    MEMBER(boolean, will_pay_fee);
    MEMBER(boolean, payment_provided);
    end('}');
}

DUMP(Third_Party_Info_Type)
{
    begin('{');
    MEMBER(boolean, permission_to_forward);
    MEMBER(boolean, permission_to_chain);
    MEMBER(boolean, permission_to_partition);
    MEMBER(boolean, permission_to_change_send_to_list);
    MEMBER(System_Address, initial_requester_address);
    MEMBER(integer, preference);
    MEMBER(Send_To_List_Type, send_to_list);
    MEMBER(Already_Tried_List_Type, already_tried_list);
    end('}');
}

/* ---- Components of Shipped ---- */

DUMP(Responder_Optional_Messages_Type)
{
    begin('{');
    MEMBER(boolean, can_send_SHIPPED);
    MEMBER(boolean, can_send_CHECKED_IN);
    MEMBER(integer, responder_RECEIVED);
    MEMBER(integer, responder_RETURNED);
    end('}');
}

DUMP(Units_Per_Medium_Type)
{
    begin('{');
    MEMBER(integer, medium);
    MEMBER(integer, no_of_units);
    end('}');
}

DUMP(Supply_Details)
{
    begin('{');
    MEMBER(text, date_shipped);
    MEMBER(Date_Due, date_due);
    MEMBER(integer, chargeable_units);
    MEMBER(Amount, cost);
    MEMBER(integer, shipped_conditions);
    switch (v->which) {
        ALTERNATIVE(ILL_Supply_Details_physical_delivery, String, physical_delivery);
        ALTERNATIVE(ILL_Supply_Details_electronic_delivery, Electronic_Delivery_Service, electronic_delivery);
    }
    MEMBER(Amount, insured_for);
    MEMBER(Amount, return_insurance_require);
    LIST(Units_Per_Medium_Type, no_of_units_per_medium);
    end('}');
}

/* ---- Components of ILL-Answer ---- */

DUMP(Conditional_Results)
{
    begin('{');
    MEMBER(integer, conditions);
    MEMBER(text, date_for_reply);
    LIST(Location_Info, locations);
    MEMBER(Delivery_Service, proposed_delivery_service);
    end('}');
}

DUMP(Retry_Results)
{
    begin('{');
    MEMBER(integer, reason_not_available);
    MEMBER(text, retry_date);
    LIST(Location_Info, locations);
    end('}');
}

DUMP(Unfilled_Results)
{
    begin('{');
    MEMBER(integer, reason_unfilled);
    LIST(Location_Info, locations);
    end('}');
}

DUMP(Locations_Results)
{
    begin('{');
    MEMBER(integer, reason_locs_provided);
    LIST(Location_Info, locations);
    end('}');
}

DUMP(Will_Supply_Results)
{
    begin('{');
    MEMBER(integer, reason_will_supply);
    MEMBER(text, supply_date);
    MEMBER(Postal_Address, return_to_address);
    LIST(Location_Info, locations);
    MEMBER(Electronic_Delivery_Service, electronic_delivery_service);
    end('}');
}

DUMP(Hold_Placed_Results)
{
    begin('{');
    MEMBER(text, estimated_date_available);
    MEMBER(integer, hold_placed_medium_type);
    LIST(Location_Info, locations);
    end('}');
}

DUMP(Estimate_Results)
{
    begin('{');
    MEMBER(String, cost_estimate);
    LIST(Location_Info, locations);
    end('}');
}

/* ---- Components of Overdue and Damaged ---- */

DUMP(Overdue_ExtensionS)
{
    ELEMENTS(Extension);
}

DUMP(Damaged_DetailsSpecific_units)
{
    ELEMENTS(integer);
}

DUMP(Damaged_Details)
{
    begin('{');
    MEMBER(oid, document_type_id);
    switch (v->which) {
        ALTERNATIVE(ILL_Damaged_Details_complete_document, null, complete_document);
        ALTERNATIVE(ILL_Damaged_Details_specific_units, Damaged_DetailsSpecific_units, specific_units);
    }
    end('}');
}

/* ---- Components of Status-Or-Error-Report ---- */

DUMP(History_Report)
{
    begin('{');
    MEMBER(text, date_requested);
    MEMBER(String, author);
    MEMBER(String, title);
    MEMBER(String, author_of_article);
    MEMBER(String, title_of_article);
    MEMBER(text, date_of_last_transition);
    MEMBER(integer, most_recent_service);
    MEMBER(text, date_of_most_recent_service);
    MEMBER(System_Id, initiator_of_most_recent_service);
    MEMBER(integer, shipped_service_type);
    MEMBER(integer, transaction_results);
    MEMBER(String, most_recent_service_note);
    end('}');
}

DUMP(Status_Report)
{
    begin('{');
    MEMBER(History_Report, user_status_report);
    MEMBER(integer, provider_status_report);
    end('}');
}

DUMP(Already_Forwarded)
{
    begin('{');
    MEMBER(System_Id, responder_id);
    MEMBER(System_Address, responder_address);
    end('}');
}

DUMP(User_Error_Report)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_User_Error_Report_already_forwarded, Already_Forwarded, already_forwarded);
        ALTERNATIVE(ILL_User_Error_Report_intermediary_problem, integer, intermediary_problem);
        ALTERNATIVE(ILL_User_Error_Report_security_problem, String, security_problem);
        ALTERNATIVE(ILL_User_Error_Report_unable_to_perform, integer, unable_to_perform);
    }
    end('}');
}

DUMP(State_Transition_Prohibited)
{
    begin('{');
    MEMBER(integer, aPDU_type);
    MEMBER(integer, current_state);
    end('}');
}

DUMP(Provider_Error_Report)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_Provider_Error_Report_general_problem, integer, general_problem);
        ALTERNATIVE(ILL_Provider_Error_Report_transaction_id_problem, integer, transaction_id_problem);
        ALTERNATIVE(ILL_Provider_Error_Report_state_transition_prohibited, State_Transition_Prohibited,
                    state_transition_prohibited);
    }
    end('}');
}

DUMP(Error_Report)
{
    begin('{');
    MEMBER(String, correlation_information);
    MEMBER(integer, report_source);
    MEMBER(User_Error_Report, user_error_report);
    MEMBER(Provider_Error_Report, provider_error_report);
    end('}');
}

/* ---- The twenty APDUs, in the order of their tags ---- */

DUMP(Request)
{
    begin('{');
    HEADING();
    MEMBER(integer, transaction_type);
    MEMBER(Delivery_Address, delivery_address);
    MEMBER(Delivery_Service, delivery_service);
    MEMBER(Delivery_Address, billing_address);
    LIST(integer, iLL_service_type);
    MEMBER(external, responder_specific_service);
    MEMBER(Requester_Optional_Messages_Type, requester_optional_messages);
    MEMBER(Search_Type, search_type);
    LIST(Supply_Medium_Info_Type, supply_medium_info_type);
    MEMBER(integer, place_on_hold);
    MEMBER(Client_Id, client_id);
    MEMBER(Item_Id, item_id);
    MEMBER(Supplemental_Item_Description, supplemental_item_description);
    MEMBER(Cost_Info_Type, cost_info_type);
    MEMBER(String, copyright_compliance);
    MEMBER(Third_Party_Info_Type, third_party_info_type);
    MEMBER(boolean, retry_flag);
    MEMBER(boolean, forward_flag);
    MEMBER(String, requester_note);
    MEMBER(String, forward_note);
    LIST(Extension, iLL_request_extensions);
    end('}');
}

DUMP(Forward_Notification)
{
    begin('{');
    HEADING();
    MEMBER(System_Address, responder_address);
    MEMBER(System_Id, intermediary_id);
    MEMBER(String, notification_note);
    LIST(Extension, forward_notification_extensions);
    end('}');
}

DUMP(Shipped)
{
    begin('{');
    HEADING();
    MEMBER(System_Address, responder_address);
    MEMBER(System_Id, intermediary_id);
    MEMBER(System_Id, supplier_id);
    MEMBER(Client_Id, client_id);
    MEMBER(integer, transaction_type);
    MEMBER(Supplemental_Item_Description, supplemental_item_description);
    MEMBER(integer, shipped_service_type);
    MEMBER(Responder_Optional_Messages_Type, responder_optional_messages);
    MEMBER(Supply_Details, supply_details);
    MEMBER(Postal_Address, return_to_address);
    MEMBER(String, responder_note);
    LIST(Extension, shipped_extensions);
    end('}');
}

DUMP(Answer)
{
    begin('{');
    HEADING();
    MEMBER(integer, transaction_results);
    switch (v->which) {
        ALTERNATIVE(ILL_Answer_conditional_results, Conditional_Results, conditional_results);
        ALTERNATIVE(ILL_Answer_retry_results, Retry_Results, retry_results);
        ALTERNATIVE(ILL_Answer_unfilled_results, Unfilled_Results, unfilled_results);
        ALTERNATIVE(ILL_Answer_locations_results, Locations_Results, locations_results);
        ALTERNATIVE(ILL_Answer_will_supply_results, Will_Supply_Results, will_supply_results);
        ALTERNATIVE(ILL_Answer_hold_placed_results, Hold_Placed_Results, hold_placed_results);
        ALTERNATIVE(ILL_Answer_estimate_results, Estimate_Results, estimate_results);
    }
    MEMBER(external, responder_specific_results);
    MEMBER(Supplemental_Item_Description, supplemental_item_description);
    MEMBER(Send_To_List_Type, send_to_list);
    MEMBER(Already_Tried_List_Type, already_tried_list);
    MEMBER(Responder_Optional_Messages_Type, responder_optional_messages);
    MEMBER(String, responder_note);
    LIST(Extension, ill_answer_extensions);
    end('}');
}

DUMP(Conditional_Reply)
{
    begin('{');
    HEADING();
    MEMBER(boolean, answer);
    MEMBER(String, requester_note);
    LIST(Extension, conditional_reply_extensions);
    end('}');
}

DUMP(Cancel)
{
    begin('{');
    HEADING();
    MEMBER(String, requester_note);
    LIST(Extension, cancel_extensions);
    end('}');
}

DUMP(Cancel_Reply)
{
    begin('{');
    HEADING();
    MEMBER(boolean, answer);
    MEMBER(String, responder_note);
    LIST(Extension, cancel_reply_extensions);
    end('}');
}

DUMP(Received)
{
    begin('{');
    HEADING();
    MEMBER(System_Id, supplier_id);
    MEMBER(Supplemental_Item_Description, supplemental_item_description);
    MEMBER(text, date_received);
    MEMBER(integer, shipped_service_type);
    MEMBER(String, requester_note);
    LIST(Extension, received_extensions);
    end('}');
}

DUMP(Recall)
{
    begin('{');
    HEADING();
    MEMBER(String, responder_note);
    LIST(Extension, recall_extensions);
    end('}');
}

DUMP(Returned)
{
    begin('{');
    HEADING();
    MEMBER(Supplemental_Item_Description, supplemental_item_description);
    MEMBER(text, date_returned);
    MEMBER(String, returned_via);
    MEMBER(Amount, insured_for);
    MEMBER(String, requester_note);
    LIST(Extension, returned_extensions);
    end('}');
}

DUMP(Checked_In)
{
    begin('{');
    HEADING();
    MEMBER(text, date_checked_in);
    MEMBER(String, responder_note);
    LIST(Extension, checked_in_extensions);
    end('}');
}

DUMP(Overdue)
{
    begin('{');
    HEADING();
    MEMBER(Date_Due, date_due);
    MEMBER(String, responder_note);
    MEMBER(Overdue_ExtensionS, overdue_extensions);
    end('}');
}

DUMP(Renew)
{
    begin('{');
    HEADING();
    MEMBER(text, desired_due_date);
    MEMBER(String, requester_note);
    LIST(Extension, renew_extensions);
    end('}');
}

DUMP(Renew_Answer)
{
    begin('{');
    HEADING();
    MEMBER(boolean, answer);
    MEMBER(Date_Due, date_due);
    MEMBER(String, responder_note);
    LIST(Extension, renew_answer_extensions);
    end('}');
}

DUMP(Lost)
{
    begin('{');
    HEADING();
    MEMBER(String, note);
    LIST(Extension, lost_extensions);
    end('}');
}

DUMP(Damaged)
{
    begin('{');
    HEADING();
    MEMBER(Damaged_Details, damaged_details);
    MEMBER(String, note);
    LIST(Extension, damaged_extensions);
    end('}');
}

DUMP(Message)
{
    begin('{');
    HEADING();
    MEMBER(String, note);
    LIST(Extension, message_extensions);
    end('}');
}

DUMP(Status_Query)
{
    begin('{');
    HEADING();
    MEMBER(String, note);
    LIST(Extension, status_query_extensions);
    end('}');
}

DUMP(Status_Or_Error_Report)
{
    begin('{');
    HEADING();
    MEMBER(integer, reason_no_report);
    MEMBER(Status_Report, status_report);
    MEMBER(Error_Report, error_report);
    MEMBER(String, note);
    LIST(Extension, status_or_error_report_extensions);
    end('}');
}

DUMP(Expired)
{
    begin('{');
    HEADING();
    LIST(Extension, expired_extensions);
    end('}');
}

DUMP(APDU)
{
    begin('{');
    switch (v->which) {
        ALTERNATIVE(ILL_APDU_ILL_Request, Request, illRequest);
        ALTERNATIVE(ILL_APDU_Forward_Notification, Forward_Notification, Forward_Notification);
        ALTERNATIVE(ILL_APDU_Shipped, Shipped, Shipped);
        ALTERNATIVE(ILL_APDU_ILL_Answer, Answer, illAnswer);
        ALTERNATIVE(ILL_APDU_Conditional_Reply, Conditional_Reply, Conditional_Reply);
        ALTERNATIVE(ILL_APDU_Cancel, Cancel, Cancel);
        ALTERNATIVE(ILL_APDU_Cancel_Reply, Cancel_Reply, Cancel_Reply);
        ALTERNATIVE(ILL_APDU_Received, Received, Received);
        ALTERNATIVE(ILL_APDU_Recall, Recall, Recall);
        ALTERNATIVE(ILL_APDU_Returned, Returned, Returned);
        ALTERNATIVE(ILL_APDU_Checked_In, Checked_In, Checked_In);
        ALTERNATIVE(ILL_APDU_Overdue, Overdue, Overdue);
        ALTERNATIVE(ILL_APDU_Renew, Renew, Renew);
        ALTERNATIVE(ILL_APDU_Renew_Answer, Renew_Answer, Renew_Answer);
        ALTERNATIVE(ILL_APDU_Lost, Lost, Lost);
        ALTERNATIVE(ILL_APDU_Damaged, Damaged, Damaged);
        ALTERNATIVE(ILL_APDU_Message, Message, Message);
        ALTERNATIVE(ILL_APDU_Status_Query, Status_Query, Status_Query);
        ALTERNATIVE(ILL_APDU_Status_Or_Error_Report, Status_Or_Error_Report, Status_Or_Error_Report);
        ALTERNATIVE(ILL_APDU_Expired, Expired, Expired);
    }
    end('}');
}

/* ---- The program ---- */

/* Octets of 1 bits behind each message. Why: libyaz looks for an end-of-contents without asking whether the message has ended, and
 * takes two zeros that happen to lie behind it for one. */
#define PADDING 16

struct error {
    int code;
    /* Which check in the source of libyaz failed. */
    int where;
    const char *message;
    /* What was being read, outermost first, up to a null pointer; null when it is not known. */
    const char **path;
    const char *element;
    int offset;
};

static void dump_error(const struct error *error)
{
    begin('{');
    key("code");
    printf("%d", error->code);
    key("where");
    printf("%d", error->where);
    key("message");
    dump_text(error->message);
    key("path");
    begin('[');
    for (const char **name = error->path; name && *name; name++) {
        separate();
        dump_text(*name);
    }
    end(']');
    key("element");
    dump_text(error->element);
    key("offset");
    printf("%d", error->offset);
    end('}');
}

/* Write the line of one message. */
static void judge(ODR odr, char *octets, int length)
{
    ILL_APDU *apdu = NULL;

    begin('{');
    odr_setbuf(odr, octets, length, 0);
    if (!ill_APDU(odr, &apdu, 0, "ILL-APDU")) {
        struct error error = {.offset = odr_offset(odr)};
        error.code = odr_geterrorx(odr, &error.where);
        error.message = odr_errmsg(error.code);
        error.path = odr_get_element_path(odr);
        error.element = odr_getelement(odr);
        if (!error.element)
            error.element = "";
        key("error");
        dump_error(&error);
    } else if (odr_offset(odr) != length) {
        struct error error = {.message = "octets after the APDU", .element = "", .offset = odr_offset(odr)};
        key("error");
        dump_error(&error);
    } else {
        key("reading");
        dump_APDU(apdu);
    }
    end('}');
    putchar('\n');
    first = 1;
    fflush(stdout);
    odr_reset(odr);
}

int main(void)
{
    unsigned char head[4];
    size_t got;

    /* Why: libyaz does not touch the `which` and `u` of a choice whose tag is absent, so that they hold what was in that memory before.
     * The GNU C library fills new memory with the complement of this octet. */
    mallopt(M_PERTURB, 0xff);
    ODR odr = odr_createmem(ODR_DECODE);
    if (!odr)
        return 2;
    while ((got = fread(head, 1, sizeof head, stdin)) == sizeof head) {
        uint32_t length = (uint32_t) head[0] << 24 | (uint32_t) head[1] << 16 | (uint32_t) head[2] << 8 | head[3];
        char *octets = malloc((size_t) length + PADDING);
        if (length > INT32_MAX || !octets || fread(octets, 1, length, stdin) != length) {
            fprintf(stderr, "illdump: the input ends inside a message of %lu octets\n", (unsigned long) length);
            return 2;
        }
        memset(octets + length, 0xff, PADDING);
        judge(odr, octets, (int) length);
        free(octets);
    }
    if (got) {
        fputs("illdump: the input ends inside a length\n", stderr);
        return 2;
    }
    odr_destroy(odr);
    return 0;
}
